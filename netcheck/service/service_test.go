package service

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sallyport/check"
)

// watched is a service whose connections and log a test sets.
type watched struct {
	*Service
	sample Sample
	err    error
	latest []check.Result
}

func watching(t *testing.T, log *Log) *watched {
	t.Helper()
	k := knowing()
	w := &watched{}
	w.Service = New(Settings{
		User: "uds", Log: log, Targets: k.targets, Addresses: k.addresses,
		Connections: func(context.Context) (Sample, error) { return w.sample, w.err },
		Latest:      func() []check.Result { return w.latest },
	})
	return w
}

func (w *watched) has(list ...Connection) {
	for i := range list {
		list[i].ID = uint64(i + 1)
	}
	w.sample = Sample{UID: 4242, Connections: list, Total: len(list)}
}

func (w *watched) wants(t *testing.T, status check.Status, cause check.Cause, words ...string) check.Result {
	t.Helper()
	r := w.Run(t.Context())
	if r.Status != status || r.Cause != cause || r.Status != check.OK && r.Remedy == "" {
		t.Errorf("%s %s (%s) %q; want %s %s", r.Status, r.Cause, r.Detail, r.Remedy, status, cause)
	}
	for _, word := range words {
		if !strings.Contains(r.Detail, word) {
			t.Errorf("%q has no %q", r.Detail, word)
		}
	}
	if _, err := json.Marshal(r); err != nil {
		t.Error(err)
	}
	return r
}

// TestService goes through the life of a service, by the clock of the test.
func TestService(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := watching(t, nil)
		w.wants(t, check.OK, "", "no connection of uds now")
		well := to("10.0.0.7:636", Established)
		well.RTT = 400 * time.Microsecond
		w.has(well, to("10.0.0.9:443", CloseWait))
		w.wants(t, check.OK, "", "2 connections of uds: the server of the check directory, dc1.corp.example:636 "+
			"(10.0.0.7:636) established (rtt 0.4 ms)", "10.0.0.9:443 close-wait")
		time.Sleep(2 * time.Minute)
		r := w.wants(t, check.OK, "", "has closed a connection, and the tool has not for 2 min")
		if e, ok := r.Evidence.(*Evidence); !ok || e.Connections[0].Check != "directory" ||
			e.Connections[1].Seconds != 120 || e.Connections[0].RTT != 0.4 || e.LastSeen == nil {
			t.Errorf("%+v", r.Evidence)
		}
		syn := to("10.0.0.7:636", SynSent)
		w.has(syn)
		w.wants(t, check.OK, "") // it has just begun
		time.Sleep(5 * time.Second)
		w.wants(t, check.Fail, check.ConnectTimeout, "for 5 s")
		w.has()
		time.Sleep(time.Minute)
		w.wants(t, check.OK, "", "no connection of uds now; last seen 60 s ago, to the server of the check directory")
		w.has(to("10.0.0.1:389", Established), to("10.0.0.2:389", Established), to("10.0.0.3:389", Established),
			to("10.0.0.4:389", Established))
		w.wants(t, check.Fail, check.PostureOutboundEncrypted, "10.0.0.3:389", ", and 1 more")
		w.err = fmt.Errorf("%w: \"uds\" is no user", ErrNoUser)
		r = w.wants(t, check.Unknown, "unknown.posture", "\"uds\" is no user")
		if !strings.Contains(r.Remedy, "service.user") {
			t.Errorf("%q", r.Remedy)
		}
		w.err = errors.New("no netlink")
		w.wants(t, check.Unknown, "unknown.posture", "no netlink")
	})
}

// TestServiceLog holds what is said of a complaint for each way in which it stands to what the checks find.
func TestServiceLog(t *testing.T) {
	t.Parallel()
	bad := func(name string, cause check.Cause, status check.Status) check.Result {
		return check.Result{Check: name, Kind: check.KindTLS, Status: status, Cause: cause}
	}
	const name = "javax.net.ssl.SSLHandshakeException: No subject alternative DNS name matching dc1.corp.example found."
	for _, c := range []struct {
		line   string
		age    time.Duration
		latest []check.Result
		status check.Status
		cause  check.Cause
		words  string
	}{
		{name, 12 * time.Second, []check.Result{bad("directory", check.CertNameMismatch, check.Fail)}, check.Warn,
			check.CertNameMismatch, " s ago: \"" + name + "\" (cert.name-mismatch); the check directory finds the same"},
		{name, 12 * time.Second, []check.Result{bad("directory", check.CertNameMismatch, check.Waived)}, check.Warn,
			check.CertNameMismatch, "the check directory finds the same"},
		{name, 12 * time.Second, []check.Result{bad("console", check.CertNameMismatch, check.Fail)}, check.Warn,
			check.CertNameMismatch, "the checks find something else: console cert.name-mismatch"},
		{name, 12 * time.Second, []check.Result{bad("directory", "", check.OK)}, check.Warn, check.CertNameMismatch,
			"the checks find nothing of it"},
		{"UnknownHostException: dc9.corp.example", 12 * time.Second, []check.Result{bad("directory", "", check.OK)},
			check.Warn, check.DNSNXDomain, "no check asks dc9.corp.example"},
		{name, time.Hour, []check.Result{bad("directory", "", check.OK)}, check.OK, "", "its log said 60 min ago"},
	} {
		path := filepath.Join(t.TempDir(), "uds.log")
		text := time.Now().Add(-c.age).Format("2006-01-02 15:04:05.000") + " ERROR " + c.line + "\n"
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		w := watching(t, NewLog(path))
		w.latest = c.latest
		r := w.wants(t, c.status, c.cause, c.words)
		e, ok := r.Evidence.(*Evidence)
		if !ok || len(e.Complaints) != 1 {
			t.Fatalf("%+v", r.Evidence)
		}
		said := maps.Collect(e.Complains()) // of now, as the status is
		if len(said) != 1 && c.status == check.Warn || len(said) != 0 && c.status == check.OK {
			t.Errorf("%s complains of %v", c.status, said)
		}
		for _, checks := range said {
			if agrees := strings.HasSuffix(c.words, "the check directory finds the same"); agrees != slices.Equal(checks,
				[]string{"directory"}) {
				t.Errorf("%s: %v agree", c.words, checks)
			}
		}
	}
}

// TestServiceLogTellsWhatNoCheckFinds holds that of several complaints of now, the one that stands beside no check is told.
func TestServiceLogTellsWhatNoCheckFinds(t *testing.T) {
	t.Parallel()
	at := func(ago time.Duration) string { return time.Now().Add(-ago).Format("2006-01-02 15:04:05.000") }
	path := filepath.Join(t.TempDir(), "uds.log")
	text := at(20*time.Second) + " ERROR AuthenticationException: [LDAP: error code 49 - data 775]\n" +
		at(10*time.Second) + " ERROR java.net.ConnectException: Connection refused\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	w := watching(t, NewLog(path))
	w.latest = []check.Result{{Check: "console", Kind: check.KindTLS, Status: check.Fail, Cause: check.ConnectRefused}}
	w.wants(t, check.Warn, check.LDAPAccountLocked, "the checks find something else: console connect.refused")
	w.latest = append(w.latest,
		check.Result{Check: "directory", Kind: check.KindLDAPS, Status: check.Fail, Cause: check.LDAPNotRetried})
	w.wants(t, check.Warn, check.ConnectRefused, "the check console finds the same")
	w.latest = nil
	w.wants(t, check.Warn, check.ConnectRefused, "Connection refused")
}

// TestServiceLogUnreadable holds that what cannot be read does not read as well.
func TestServiceLogUnreadable(t *testing.T) {
	t.Parallel()
	r := unread(check.Result{Status: check.OK, Detail: "no connection"}, ErrUnreadable)
	if r.Status != check.Unknown || r.Remedy == "" || !strings.Contains(r.Detail, "cannot be read") {
		t.Errorf("%+v", r)
	}
	if r := unread(check.Result{Status: check.Fail, Cause: check.ConnectTimeout}, ErrUnreadable); r.Status != check.Fail {
		t.Errorf("%+v", r)
	}
}

// TestBeside holds that a check that fails has the service's own words with it, where they are about the same.
func TestBeside(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "uds.log")
	text := time.Now().Format("2006-01-02 15:04:05") + " java.net.ConnectException: Connection refused\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		r    check.Result
		want bool
	}{
		{check.Result{Status: check.Fail, Cause: check.ConnectRefused, Detail: "closed"}, true},
		{check.Result{Status: check.Fail, Cause: check.ConnectBlockedHere, Detail: "closed"}, true},
		{check.Result{Status: check.Fail, Cause: check.CertExpired, Detail: "closed"}, false},
		{check.Result{Status: check.OK, Detail: "well"}, false},
	} {
		run := Beside(NewLog(path), "dc1.corp.example", func(context.Context) check.Result { return c.r })
		got := run(t.Context())
		said := strings.Contains(got.Detail, "; the service says so too, at ") &&
			strings.HasSuffix(got.Detail, ": \"java.net.ConnectException: Connection refused\"")
		if said != c.want || !strings.HasPrefix(got.Detail, c.r.Detail) {
			t.Errorf("%s: %q", c.r.Cause, got.Detail)
		}
	}
}
