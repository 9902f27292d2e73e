package integration_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport/integration/lab"
)

// judged runs every check by the binary and wants one root, with what its cause begins with, its words, and what it affects.
func (w world) judged(cause, sentence string, affected ...string) lab.Verdict {
	w.t.Helper()
	report, err := w.Ask(within(w.t, 20*time.Second), "check")
	if err != nil {
		w.t.Fatal(err)
	}
	v := report.Verdict
	slices.Sort(affected)
	caused := strings.HasPrefix(v.Cause, cause) && (cause == "") == (v.Cause == "")
	if !caused || !strings.Contains(v.Sentence, sentence) || !slices.Equal(v.Affected, affected) {
		w.t.Errorf("the verdict is %s, %q, for %v; want %s, %q, for %v, of\n%s", v.Cause, v.Sentence, v.Affected,
			cause, sentence, affected, said(report))
	}
	if len(v.Others) > 0 {
		w.t.Errorf("there are further roots: %+v", v.Others)
	}
	if v.Status != "ok" && (len(v.Evidence) == 0 || v.First == "") {
		w.t.Errorf("evidence %q, first %q", v.Evidence, v.First)
	}
	return v
}

// said is what the checks of a report say, in short.
func said(r lab.Report) string {
	var lines []string
	for _, one := range r.Results {
		lines = append(lines, fmt.Sprintf("%s %s %s: %s", one.Check, one.Status, one.Cause, one.Detail))
	}
	return strings.Join(lines, "\n")
}

// verdictMetric is the series of a resolver that is gone: its port refuses, or where the kernel has sent enough ICMP for
// now, is silent.
var verdictMetric = regexp.MustCompile(`sallyport_verdict\{cause="dns\.(unreachable|timeout)",layer="dns"\} 1`)

// rewrite changes one place of the configuration.
func (w world) rewrite(old, changed string) {
	w.t.Helper()
	conf := w.Configuration(lab.Settings{})
	next := strings.Replace(conf, old, changed, 1)
	if next == conf {
		w.t.Fatalf("%q is not in the configuration:\n%s", old, conf)
	}
	if err := w.Write(next); err != nil {
		w.t.Fatal(err)
	}
}

// on runs a program in a node and wants success.
func (w world) on(n *lab.Node, program string, args ...string) {
	w.t.Helper()
	need(w.t, program)
	if got, err := n.Run(within(w.t, 10*time.Second), program, args...); err != nil || got.Code != 0 {
		w.t.Fatalf("%s %v: %v: %s", program, args, err, got.Stderr)
	}
}

// TestVerdictOfAResolver stops the only resolver: all that needs a name is one fault. Before, all is well; and while it
// runs, one name that is missing is another.
func TestVerdictOfAResolver(t *testing.T) {
	w := newWorld(t, lab.Settings{})
	w.judged("", "all is well: 3 checks")
	if err := w.NameServer.Answer(within(t, 10*time.Second), lab.CloudName, lab.Answer{Fault: lab.NXDomain}); err != nil {
		t.Fatal(err)
	}
	v := w.judged("dns.nxdomain", "the name "+lab.CloudName+" does not exist", lab.CheckResolver, lab.CheckCloud)
	if !slices.Equal(v.Unaffected, []string{lab.CheckDirectory}) {
		t.Errorf("unaffected are %v", v.Unaffected)
	}
	if err := w.NameServer.Stop(); err != nil {
		t.Fatal(err)
	}
	w.judged("dns.", "the resolver 10.77.0.53:53 ", lab.CheckResolver, lab.CheckCloud, lab.CheckDirectory)
	text := w.must(2, "check").Stdout
	begins := regexp.MustCompile(`^fail     the resolver 10.77.0.53:53 (cannot be reached|does not answer); so 2 names fail`)
	if !begins.MatchString(text) {
		t.Errorf("the text begins otherwise:\n%s", text)
	}
	t.Logf("check says:\n%s", text)
	line := w.must(2, "check", "-o", "nagios").Stdout
	if want := "SALLYPORT CRITICAL - the resolver 10.77.0.53:53 "; !strings.HasPrefix(line, want) {
		t.Errorf("%s, want %s", line, want)
	}
	metrics := w.must(2, "check", "-o", "prometheus").Stdout
	if !verdictMetric.MatchString(metrics) {
		t.Errorf("no verdict in:\n%s", metrics)
	}
}

// TestVerdictOfAGateway gives the host a default route to a gateway that is not there, and checks beyond it.
func TestVerdictOfAGateway(t *testing.T) {
	w := newWorld(t, lab.Settings{})
	w.rewrite("  ldaps:\n", `    - {name: far, address: "198.51.100.7:443"}
    - {name: farther, address: "203.0.113.7:443"}
  ldaps:
`)
	v := w.judged("connect.unreachable", "this host has no default route", "far", "farther")
	if want := []string{lab.CheckCloud, lab.CheckDirectory, lab.CheckResolver}; !slices.Equal(v.Unaffected, want) {
		t.Errorf("unaffected are %v", v.Unaffected)
	}
	w.on(w.Host, "ip", "route", "add", "default", "via", "10.77.0.1")
	v = w.judged("connect.unreachable", "the gateway 10.77.0.1 does not answer", "far", "farther")
	t.Logf("%+v", v)
	w.on(w.Host, "ip", "link", "set", lab.NIC, "down")
	w.judged("connect.unreachable", "this host has no network: the interface eth0 is switched off", "far", "farther",
		lab.CheckCloud, lab.CheckDirectory, lab.CheckResolver)
}

// TestVerdictOfADirectory stops its server, and then takes it off the network, where another port of it is checked too.
func TestVerdictOfADirectory(t *testing.T) {
	w := newWorld(t, lab.Settings{})
	w.rewrite("  ldaps:\n", "    - {name: portal, address: \""+lab.DirectoryName+":443\"}\n  ldaps:\n")
	if err := w.LDAP.Stop(); err != nil {
		t.Fatal(err)
	}
	w.rewrite("filter: (objectClass=person)", "filter: (objectClass=*)")
	v := w.judged("connect.refused", "directory (ldaps://"+lab.DirectoryName+":636) fails, at the layer connect",
		lab.CheckDirectory)
	if want := []string{lab.CheckCloud, lab.CheckResolver}; !slices.Equal(v.Unaffected, want) {
		t.Errorf("unaffected are %v", v.Unaffected)
	}
	w.rewrite("  ldaps:\n", "    - {name: portal, address: \""+lab.DirectoryName+":443\"}\n  ldaps:\n")
	w.on(w.Directory, "ip", "link", "set", lab.NIC, "down")
	w.judged("connect.timeout", "the host 10.77.0.36, fd77::36 answers at none of its ports", "portal", lab.CheckDirectory)
}

// TestVerdictOfAClock has a web server live in ten days' time, with a certificate of that time, and the directory show one
// as well. Nobody else tells the time.
func TestVerdictOfAClock(t *testing.T) {
	w := newWorld(t, lab.Settings{})
	if err := w.Web.Stop(); err != nil {
		t.Fatal(err)
	}
	certificate, err := w.Authority.Issue(lab.CloudName, lab.NotYetValid)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := certificate.Pair()
	if err != nil {
		t.Fatal(err)
	}
	const ahead = 10 * 24 * time.Hour
	listener, err := w.Cloud.Listen(t.Context(), 443)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{
		Handler: http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Date", time.Now().Add(ahead).UTC().Format(http.TimeFormat))
		}),
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{pair}}, ErrorLog: log.New(io.Discard, "", 0),
	}
	done := make(chan error, 1)
	go func() { done <- server.ServeTLS(listener, "", "") }()
	t.Cleanup(func() {
		_ = server.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	w.judged("clock.skew", "the clock of this host or that of "+lab.CloudName+" is wrong: they are 10 days apart",
		lab.CheckCloud)
	if err := w.Flaw(within(t, 10*time.Second), w.LDAP, lab.DirectoryName, lab.NotYetValid); err != nil {
		t.Fatal(err)
	}
	w.judged("clock.skew", "this host's clock is wrong: it is 10 days behind; so every certificate is judged wrong",
		lab.CheckCloud, lab.CheckDirectory)
}

// TestVerdictOfTheDaemon: status begins with it, over the daemon's socket, and the metrics tell it.
func TestVerdictOfTheDaemon(t *testing.T) {
	w := newWorld(t, lab.Settings{})
	w.daemon()
	if metrics := w.scrape(); !strings.Contains(metrics, `sallyport_verdict{cause="",layer=""} 1`) {
		t.Errorf("no verdict in:\n%s", metrics)
	}
	if err := w.NameServer.Stop(); err != nil {
		t.Fatal(err)
	}
	report := w.await(func(r lab.Report) error {
		return errors.Join(lab.Has(lab.CheckResolver, "fail", "")(r), lab.Has(lab.CheckDirectory, "fail", "")(r),
			lab.Has(lab.CheckCloud, "skipped", "")(r))
	})
	if v := report.Verdict; v.Layer != "dns" || len(v.Affected) != 3 || len(v.Others) > 0 {
		t.Errorf("the verdict is %+v of %s", v, said(report))
	}
	text := w.must(2, "status").Stdout
	if !strings.HasPrefix(text, "fail     the resolver 10.77.0.53:53 ") ||
		!strings.Contains(text, "\n         not affected: ") {
		t.Errorf("status begins otherwise:\n%s", text)
	}
	if metrics := w.scrape(); !verdictMetric.MatchString(metrics) {
		t.Errorf("no verdict in:\n%s", metrics)
	}
}
