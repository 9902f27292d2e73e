package netcheck

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"

	"sallyport/check"
)

// TestLDAPSCauses meets the causes of the layer with a real slapd.
func TestLDAPSCauses(t *testing.T) {
	t.Parallel()
	s := startSlapd(t, []string{"127.0.0.1"}, "")
	const reader = "cn=reader,dc=test"
	anonymous := func(target *LDAPSTarget) { target.BindDN, target.PasswordFile = "", "" }
	base := func(dn string) func(*LDAPSTarget) { return func(target *LDAPSTarget) { target.BaseDN = dn } }
	fault := func(cn string) func(*LDAPSTarget) { return base("cn=" + cn + ",ou=faults,dc=codes") }
	bind := func(cn string) string { return "cn=" + cn + ",ou=faults,dc=codes" }
	pages := func(size int, always bool) func(*LDAPSTarget) {
		return func(l *LDAPSTarget) { l.PageSize, l.Paged = size, always }
	}
	none := func(*LDAPSTarget) {}
	tests := []struct {
		name   string
		user   string
		change func(*LDAPSTarget)
		status check.Status
		cause  check.Cause
		detail string
		last   string // phase
	}{
		{"well", reader, none, check.OK, "", "more than 5 entries below ou=people,dc=test", phaseSearch},
		{"exactly enough", reader, func(l *LDAPSTarget) { l.MinEntries = 20 }, check.OK, "", "20 entries", phaseSearch},
		{"rootDSE alone, anonymous", "", func(l *LDAPSTarget) { anonymous(l); l.BaseDN = "" },
			check.OK, "", "anonymous", phaseSearch},
		{"limited, but enough", "cn=short,dc=test", func(l *LDAPSTarget) { l.MinEntries = 3 },
			check.OK, "", "", phaseSearch},
		{"too few", reader, func(l *LDAPSTarget) { l.MinEntries = 21 },
			check.Fail, check.LDAPTooFewEntries, "20 entries", phaseSearch},
		{"size limit", "cn=short,dc=test", none, check.Fail, check.LDAPSizeLimit, "without pages", phaseSearch},
		{"size limit with pages too", "cn=short,dc=test", pages(500, false),
			check.Fail, check.LDAPSizeLimit, "3 entries came before", phaseSearch},
		{"size limit without pages alone", "cn=paged,dc=test", pages(500, false),
			check.OK, "", "more than 5 entries", phaseSearch},
		{"pages", reader, pages(2, false), check.OK, "", "more than 5 entries", phaseSearch},
		{"all pages", reader, func(l *LDAPSTarget) { pages(3, true)(l); l.MinEntries = 20 },
			check.OK, "", "20 entries", phaseSearch},
		{"too large a page", "cn=smallpages,dc=test", pages(500, true),
			check.Fail, check.LDAPAdminLimit, "illegal pagedResults page size", phaseSearch},
		{"no pages for this user", "cn=nopages,dc=test", pages(2, true),
			check.Fail, check.LDAPNoPaging, "not allowed", phaseSearch},
		{"no pages where they are needed", "cn=nopages,dc=test", pages(500, false),
			check.Fail, check.LDAPNoPaging, "not allowed", phaseSearch},
		{"too many to look at", "cn=unchecked,dc=test", none,
			check.Fail, check.LDAPAdminLimit, "result 11", phaseSearch},
		{"as many as there may be", reader, func(l *LDAPSTarget) { l.MaxEntries = 20 },
			check.OK, "", "20 entries", phaseSearch},
		{"more than there may be", reader, func(l *LDAPSTarget) { l.MaxEntries = 19 },
			check.Fail, check.LDAPSizeLimit, "than max_entries", phaseSearch},
		{"perhaps more than there may be", "cn=short,dc=test", func(l *LDAPSTarget) { l.MinEntries, l.MaxEntries = 2, 10 },
			check.Fail, check.LDAPSizeLimit, "3 entries came before", phaseSearch},
		{"no base", reader, base("ou=nowhere,dc=test"), check.Fail, check.LDAPBaseNotFound, "result 32", phaseSearch},
		{"bad base", reader, base("no dn"), check.Fail, check.LDAPBaseNotFound, "result 34", phaseSearch},
		{"no access", reader, base("ou=closed,dc=test"),
			check.Fail, check.LDAPInsufficientAccess, "result 50", phaseSearch},
		{"anonymous search", "", anonymous, check.Fail, check.LDAPAnonymousRefused, "result 50", phaseSearch},
		{"Active Directory's anonymous search", "", func(l *LDAPSTarget) { anonymous(l); fault("adanonymous")(l) },
			check.Fail,
			check.LDAPAnonymousRefused, "000004DC", phaseSearch},
		{"confidentiality", "cn=admin,dc=strong", base("dc=strong"),
			check.Fail, check.LDAPConfidentialityRequired, "result 13", phaseBind},
		{"wrong password", reader, func(l *LDAPSTarget) { writeFile(t, l.PasswordFile, "bad") }, check.Fail,
			check.LDAPInvalidCredentials, "result 49", phaseBind},
		{"bad bind DN", "no dn", none, check.Fail, check.LDAPInvalidCredentials, "result 34", phaseBind},
		{"525", bind("ad525"), none, check.Fail, check.LDAPNoSuchUser, "data 525", phaseBind},
		{"52e", bind("ad52e"), none, check.Fail, check.LDAPBadPassword, "data 52e", phaseBind},
		{"530", bind("ad530"), none, check.Fail, check.LDAPLogonHours, "data 530", phaseBind},
		{"531", bind("ad531"), none, check.Fail, check.LDAPWorkstation, "data 531", phaseBind},
		{"532", bind("ad532"), none, check.Fail, check.LDAPPasswordExpired, "data 532", phaseBind},
		{"533", bind("ad533"), none, check.Fail, check.LDAPAccountDisabled, "data 533", phaseBind},
		{"701", bind("ad701"), none, check.Fail, check.LDAPAccountExpired, "data 701", phaseBind},
		{"773", bind("ad773"), none, check.Fail, check.LDAPPasswordMustChange, "data 773", phaseBind},
		{"775", bind("ad775"), none, check.Fail, check.LDAPAccountLocked, "data 775", phaseBind},
		{"strong authentication", bind("strongbind"), none,
			check.Fail, check.LDAPStrongAuthRequired, "result 8", phaseBind},
		{"no password in the directory", bind("nopassword"), none,
			check.Fail, check.LDAPInvalidCredentials, "result 48", phaseBind},
		{"busy bind", bind("busybind"), none, check.Fail, check.LDAPBusy, "result 51", phaseBind},
		{"hangs up at the bind", bind("byebind"), none, check.Fail, check.LDAPClosed, "closed", phaseBind},
		{"slow bind", bind("slowbind"), none, check.Fail, check.LDAPTimeout, "bind: no answer", phaseBind},
		{"busy", reader, fault("busy"), check.Fail, check.LDAPBusy, "result 51", phaseSearch},
		{"unavailable", reader, fault("unavailable"), check.Fail, check.LDAPUnavailable, "result 52", phaseSearch},
		{"unwilling", reader, fault("unwilling"), check.Fail, check.LDAPUnwilling, "result 53", phaseSearch},
		{"referral", reader, fault("referral"), check.Fail, check.LDAPReferral, "other.test", phaseSearch},
		{"time limit", reader, fault("timelimit"), check.Fail, check.LDAPTimeLimit, "result 3", phaseSearch},
		{"admin limit", reader, fault("adminlimit"), check.Fail, check.LDAPAdminLimit, "result 11", phaseSearch},
		{"no code fits", reader, fault("other"),
			check.Fail, check.UnknownIn(check.LayerLDAP), "result 80", phaseSearch},
		{"hangs up at the search", reader, fault("bye"), check.Fail, check.LDAPClosed, "closed", phaseSearch},
		{"slow search", reader, fault("slow"), check.Fail, check.LDAPTimeout, "search: no answer", phaseSearch},
		{"filter that cannot be", reader, func(l *LDAPSTarget) { l.Filter = "(cn=" },
			check.Unknown, check.Internal, "filter", ""},
		{"no password file", reader, func(l *LDAPSTarget) { l.PasswordFile += ".none" },
			check.Fail, check.LDAPInvalidCredentials,
			"no such file", phaseBind},
		{"empty password", reader, func(l *LDAPSTarget) { writeFile(t, l.PasswordFile, "\n") }, check.Fail,
			check.LDAPInvalidCredentials, "anonymously", phaseBind},
		{"unknown authority", reader, func(l *LDAPSTarget) { l.Roots = nil },
			check.Fail, check.CertUnknownAuthority, "", phaseTLS},
		{"name mismatch", reader, func(l *LDAPSTarget) { l.ServerName = "dc1.corp.example" },
			check.Fail, check.CertNameMismatch, "", phaseTLS},
		{"expiring", reader, func(l *LDAPSTarget) { l.Warn = 100 * 24 * time.Hour },
			check.Warn, check.CertExpiring, "", phaseSearch},
		{"StartTLS", reader, func(l *LDAPSTarget) { l.StartTLS, l.Port = true, s.plain },
			check.OK, "", "TLS 1.3", phaseSearch},
		{"StartTLS where LDAPS is", reader, func(l *LDAPSTarget) { l.StartTLS = true },
			check.Fail, check.LDAPClosed, "StartTLS", phaseStartTLS},
		{"LDAPS where StartTLS is", reader, func(l *LDAPSTarget) { l.Port = s.plain },
			check.Fail, check.TLSClosed, "", phaseTLS},
		{"nothing listens", reader, func(l *LDAPSTarget) { l.Port = uint16(freePort(t)) },
			check.Fail, check.ConnectRefused, "", phaseConnect},
	}
	made := madeElsewhere()
	for _, tt := range tests {
		made[tt.cause] = "a row of this table"
	}
	for _, cause := range check.Causes() {
		if cause.Layer() == check.LayerLDAP && made[cause] == "" {
			t.Errorf("no real server brings about %s", cause)
		}
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			target := s.target(t, tt.user)
			tt.change(&target)
			const timeout = 1200 * time.Millisecond
			r := inTime(t, timeout, LDAPS(target))
			if r.Status != tt.status || r.Cause != tt.cause || !strings.Contains(r.Detail, tt.detail) {
				t.Errorf("got %s %q: %s", r.Status, r.Cause, r.Detail)
				t.Logf("want %s %q with %q", tt.status, tt.cause, tt.detail)
			}
			if (r.Cause != "") != (r.Remedy != "") || strings.ContainsAny(r.Detail+r.Remedy, "\n\x1b") {
				t.Errorf("cause %q, detail %q, remedy %q", r.Cause, r.Detail, r.Remedy)
			}
			if tt.last != "" && lastPhase(r) != tt.last {
				t.Errorf("ended in phase %q of %+v; want %q", lastPhase(r), r.Endpoints, tt.last)
			}
		})
	}
}

// madeElsewhere are the causes of the layer that another test brings about with a real server.
func madeElsewhere() map[check.Cause]string {
	return map[check.Cause]string{
		check.LDAPNotRetried: "TestLDAPSWrongPasswordOnce",
		check.LDAPNoServer:   "TestLDAPSDiscovery",
		check.LDAPMalformed:  "TestLDAPSOtherService",
	}
}

// TestLDAPSOtherService has openssl behind the port, which sends each line back the wrong way round.
func TestLDAPSOtherService(t *testing.T) {
	t.Parallel()
	registry := newRegistry(t)
	port := startOpenSSL(t, []*paper{registry.leaf(t), registry.intermediate}, "-rev")
	target := LDAPSTarget{Server: Server{Host: "127.0.0.1", Port: port, Roots: registry.roots},
		BindDN: "cn=reader\n", PasswordFile: secretFile(t, "pw")}
	r := LDAPS(target)(withTimeout(t, 2*time.Second))
	if r.Cause != check.LDAPMalformed || !strings.Contains(r.Detail, "the answer is no LDAP") {
		t.Errorf("got %s %q: %s; want ldap.malformed", r.Status, r.Cause, r.Detail)
	}
}

func lastPhase(r check.Result) string {
	if len(r.Endpoints) == 0 || len(r.Endpoints[0].Phases) == 0 {
		return ""
	}
	phases := r.Endpoints[0].Phases
	return phases[len(phases)-1].Name
}

// TestLDAPSNoStartTLS has a slapd without a certificate.
func TestLDAPSNoStartTLS(t *testing.T) {
	t.Parallel()
	s := startSlapd(t, nil, "")
	target := s.target(t, "cn=reader,dc=test")
	target.StartTLS, target.Port = true, s.plain
	r := LDAPS(target)(withTimeout(t, 2*time.Second))
	if !strings.Contains(r.Detail, "does not offer StartTLS: result") || lastPhase(r) != phaseStartTLS {
		t.Errorf("got %q in phase %s: %s; want that StartTLS is not offered", r.Cause, lastPhase(r), r.Detail)
	}
	if s.bindsOf("cn=reader,dc=test") != 0 {
		t.Error("the password was sent in plain text")
	}
}

// TestLDAPSExternal binds by a client certificate at slapds that demand one, take one, and do without.
func TestLDAPSExternal(t *testing.T) {
	t.Parallel()
	const mapped = "\nauthz-regexp \"cn=localhost\" \"cn=reader,dc=test\""
	tests := []struct {
		name, global string
		starttls     bool
		shown        bool
		cause        check.Cause
		detail       string
		last         string
	}{
		{"demanded", "TLSVerifyClient demand", false, true, "", "bound as dn:cn=localhost,", phaseSearch},
		{"mapped to a user", "TLSVerifyClient try" + mapped, false, true, "", "bound as dn:cn=reader,dc=test,", phaseSearch},
		{"by StartTLS", "TLSVerifyClient demand" + mapped, true, true, "", "bound as dn:cn=reader,dc=test,", phaseSearch},
		{"demanded, and not shown", "TLSVerifyClient demand", false, false, check.TLSClientCertificate, "", phaseBind},
		{"not asked for", "TLSVerifyClient never", false, true, check.LDAPStrongAuthRequired, "SASL EXTERNAL", phaseBind},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := startSlapd(t, []string{"127.0.0.1"}, tt.global)
			target := s.target(t, "")
			target.PasswordFile, target.SASLExternal = "", true
			if tt.starttls {
				target.StartTLS, target.Port = true, s.plain
			}
			if tt.shown {
				target.ClientCertificate = ClientCertificate{CertificateFile: s.certFile, KeyFile: s.keyFile}
			}
			r := LDAPS(target)(withTimeout(t, 2*time.Second))
			if r.Cause != tt.cause || !strings.Contains(r.Detail, tt.detail) || lastPhase(r) != tt.last {
				t.Errorf("got %s %q in phase %s: %s; want %q with %q in %s", r.Status, r.Cause, lastPhase(r), r.Detail,
					tt.cause, tt.detail, tt.last)
			}
			if tt.cause == check.LDAPStrongAuthRequired && !strings.Contains(r.Remedy, "client certificates") {
				t.Errorf("remedy %q", r.Remedy)
			}
		})
	}
}

// TestLDAPSAnonymousBindRefused has a slapd that refuses the bind itself.
func TestLDAPSAnonymousBindRefused(t *testing.T) {
	t.Parallel()
	s := startSlapd(t, []string{"127.0.0.1"}, "disallow bind_anon\nrequire authc")
	target := s.target(t, "")
	target.PasswordFile, target.BaseDN = "", ""
	r := LDAPS(target)(withTimeout(t, 2*time.Second))
	if r.Cause != check.LDAPAnonymousRefused || lastPhase(r) != phaseBind {
		t.Errorf("got %q in phase %s: %s; want ldap.anonymous-refused in phase bind", r.Cause, lastPhase(r), r.Detail)
	}
}

// TestLDAPSWrongPasswordOnce counts the binds at the server: one in 50 runs over three addresses, some of them at the
// same time, until the secret changes.
func TestLDAPSWrongPasswordOnce(t *testing.T) {
	t.Parallel()
	s := startSlapd(t, []string{"127.0.0.1", "127.0.0.2", "127.0.0.3"}, "")
	target := s.target(t, "cn=wrong,dc=test")
	target.Refused = new(RefusedSecrets)
	writeFile(t, target.PasswordFile, "bad password")
	run := func(ctx context.Context) check.Result { return s.runAtAll(ctx, target) }
	causes := map[check.Cause]int{}
	var mu sync.Mutex
	for range 10 {
		var group sync.WaitGroup
		for range 5 {
			group.Go(func() {
				r := run(withTimeout(t, 5*time.Second))
				mu.Lock()
				defer mu.Unlock()
				causes[r.Cause]++
				if r.Status != check.Fail || strings.Contains(r.Detail, "bad password") {
					t.Errorf("got %s: %s; want fail, without the password", r.Status, r.Detail)
				}
			})
		}
		group.Wait()
	}
	if got := s.bindsOf("cn=wrong,dc=test"); got != 1 {
		t.Errorf("the server was asked %d times to bind in 50 runs; want once", got)
	}
	if causes[check.LDAPInvalidCredentials] != 1 || causes[check.LDAPNotRetried] != 49 {
		t.Errorf("causes %v; want one refusal and 49 held back", causes)
	}
	writeFile(t, target.PasswordFile, "pw")
	if r := run(withTimeout(t, 5*time.Second)); r.Status != check.OK {
		t.Errorf("after the secret changed: %s %q: %s; want ok", r.Status, r.Cause, r.Detail)
	}
	writeFile(t, target.PasswordFile, "another bad one")
	first, second := run(withTimeout(t, 5*time.Second)), run(withTimeout(t, 5*time.Second))
	if first.Cause != check.LDAPInvalidCredentials || second.Cause != check.LDAPNotRetried {
		t.Errorf("another wrong one: %q, then %q; want one refusal, then held back", first.Cause, second.Cause)
	}
}

// TestLDAPSSilentAddress holds that an address which takes the password and then says nothing does not keep the others
// from their turn.
func TestLDAPSSilentAddress(t *testing.T) {
	t.Parallel()
	pki := newDirectoryPKI(t)
	config := &tls.Config{Certificates: []tls.Certificate{pki.pair}}
	silent := startLDAPFake(t, config, func(io.Writer, ber.Tag, int64, int) bool { return true })
	well := startLDAPFake(t, config, bindsThen(func(w io.Writer, id int64) bool {
		_, err := w.Write(append(message(id, entry("cn=x,dc=test")), message(id, result(0x65, 0, ""))...))
		return err == nil
	}))
	for _, ports := range [][]uint16{{silent, well}, {well, silent}, {silent, silent, well}} {
		s := &slapd{directoryPKI: pki}
		for _, port := range ports {
			s.addresses = append(s.addresses, local(int(port)))
		}
		target := LDAPSTarget{BindDN: "cn=reader", PasswordFile: secretFile(t, "pw"), BaseDN: "dc=test", MinEntries: 1,
			Refused: new(RefusedSecrets)}
		r := s.runAtAll(withTimeout(t, 6*time.Second), target)
		at := r.Endpoints[slices.Index(ports, well)]
		// Of one address that is asked twice, chance says which of the two binds has its turn first.
		told := r.Cause == check.LDAPTimeout || len(ports) > 2 && r.Cause == check.LDAPNotRetried
		if r.Status != check.Warn || !told || at.Status != check.OK {
			t.Errorf("%v: got %s %q: %s, %+v; want a warning", ports, r.Status, r.Cause, r.Detail, r.Endpoints)
		}
	}
}

// TestLDAPSRefusedShared holds that checks of one account spare it together, and that a new memory, as a reload makes
// it, lets the password be tried again.
func TestLDAPSRefusedShared(t *testing.T) {
	t.Parallel()
	s := startSlapd(t, []string{"127.0.0.1"}, "")
	target := s.target(t, "cn=shared,dc=test")
	target.Refused = new(RefusedSecrets)
	writeFile(t, target.PasswordFile, "bad")
	other := target
	other.BindDN = "CN=Shared,DC=test"
	first, second := LDAPS(target)(withTimeout(t, 2*time.Second)), LDAPS(other)(withTimeout(t, 2*time.Second))
	if first.Cause != check.LDAPInvalidCredentials || second.Cause != check.LDAPNotRetried {
		t.Errorf("got %q and %q; want a refusal and held back", first.Cause, second.Cause)
	}
	if !strings.Contains(second.Remedy, target.PasswordFile) || !strings.Contains(second.Detail, "127.0.0.1") {
		t.Errorf("detail %q, remedy %q; want who refused it, and the file", second.Detail, second.Remedy)
	}
	target.Refused = nil
	if r := LDAPS(target)(withTimeout(t, 2*time.Second)); r.Cause != check.LDAPInvalidCredentials {
		t.Errorf("with a new memory: %q; want one more refusal", r.Cause)
	}
}

// TestLDAPSDisabledIsRetried holds that an account which is out of order, but whose password is right, is looked at
// again.
func TestLDAPSDisabledIsRetried(t *testing.T) {
	t.Parallel()
	s := startSlapd(t, []string{"127.0.0.1"}, "")
	run := LDAPS(s.target(t, "cn=ad533,ou=faults,dc=codes"))
	for range 3 {
		if r := run(withTimeout(t, 2*time.Second)); r.Cause != check.LDAPAccountDisabled {
			t.Errorf("got %q: %s; want ldap.account-disabled each time", r.Cause, r.Detail)
		}
	}
}

func TestLDAPSEvidence(t *testing.T) {
	t.Parallel()
	s := startSlapd(t, []string{"127.0.0.1", "127.0.0.2", "127.0.0.3"}, "")
	target := s.target(t, "cn=reader,dc=test")
	target.Refused = new(RefusedSecrets)
	r := s.runAtAll(withTimeout(t, 5*time.Second), target)
	e, ok := r.Evidence.(LDAPSEvidence)
	if r.Status != check.OK || !ok || len(e.Servers) != 3 || e.TLS == nil {
		t.Fatalf("got %s: %s, %+v; want ok at three addresses", r.Status, r.Detail, r.Evidence)
	}
	for _, server := range e.Servers {
		root := server.RootDSE
		if server.BindResult == nil || *server.BindResult != 0 || server.Entries != 6 || !server.More || root == nil ||
			!root.Paging || len(root.NamingContexts) != 3 || len(root.Versions) != 1 || root.Versions[0] != "3" {
			t.Errorf("evidence %+v, rootDSE %+v", server, root)
		}
	}
	raw, err := json.Marshal(r)
	if err != nil || strings.Contains(string(raw), "pw\"") {
		t.Errorf("JSON %s, %v", raw, err)
	}
	for _, endpoint := range r.Endpoints {
		if len(endpoint.Phases) != 4 {
			t.Errorf("phases %+v; want connect, tls, bind and search", endpoint.Phases)
		}
	}
}

func TestReadSecret(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	tests := []struct{ name, content, want, wrong string }{
		{"plain", "secret", "secret", ""},
		{"line end", "secret\n", "secret", ""},
		{"two line ends", "secret\n\n", "secret\n", ""},
		{"windows", "secret\r\n", "secret", ""},
		{"spaces stay", " secret \n", " secret ", ""},
		{"longest", strings.Repeat("x", maxSecret), strings.Repeat("x", maxSecret), ""},
		{"too long", strings.Repeat("x", maxSecret+1), "", "larger than"},
		{"empty", "", "", "empty"},
		{"only a line end", "\r\n", "", "empty"},
	}
	for _, tt := range tests {
		path := filepath.Join(dir, "secret")
		writeFile(t, path, tt.content)
		got, err := readSecret(path)
		said := fmt.Sprint(err)
		if got.text != tt.want || (err == nil) != (tt.wrong == "") || !strings.Contains(said, tt.wrong) {
			t.Errorf("%s: got %q, %v; want %q, error with %q", tt.name, got.text, err, tt.want, tt.wrong)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{fifo, dir, "/dev/zero"} {
		if _, err := readSecret(path); err == nil || !strings.Contains(err.Error(), "no regular file") {
			t.Errorf("%s: got %v; want that it is no regular file", path, err)
		}
	}
}
