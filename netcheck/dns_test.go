package netcheck

import (
	"context"
	"net/netip"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/check"
	"sallyport/netcheck/internal/dnsrig"
)

// TestDNSCauses meets each cause of the layer with a real unbound, one that explains its failures by extended errors
// and one that does not.
func TestDNSCauses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, query, qtype string
		expect             []string
		status             check.Status
		cause              check.Cause
		detail             string
	}{
		{"address", "www.zone.test", "A", nil, check.OK, "", "192.0.2.1"},
		{"upper case", "WWW.Zone.TEST.", "a", nil, check.OK, "", "192.0.2.1"},
		{"address v6", "six.zone.test", "AAAA", []string{"2001:0db8:0::1"}, check.OK, "", "2001:db8::1"},
		{"alias", "alias.zone.test", "A", nil, check.OK, "", "192.0.2.1"},
		{"alias itself", "alias.zone.test", "CNAME", []string{"WWW.zone.test."}, check.OK, "", "www.zone.test"},
		{"any order", "two.zone.test", "A", []string{"192.0.2.2", "192.0.2.1"}, check.OK, "", ""},
		{"mail", "mail.zone.test", "MX", []string{"10 mx.zone.test"}, check.OK, "", "10 mx.zone.test"},
		{"service", "_ldaps._tcp.zone.test", "SRV", []string{"0 5 636 dc1.zone.test"}, check.OK, "", ""},
		{"text", "text.zone.test", "TXT", []string{`one "two" three`}, check.OK, "", ""},
		{"validated", "www.signed.test", "A", nil, check.OK, "", "192.0.2.1"},
		{"nxdomain", "www.gone.test", "A", nil, check.Fail, check.DNSNXDomain, "NXDOMAIN"},
		{"nxdomain in a zone", "nobody.zone.test", "A", nil, check.Fail, check.DNSNXDomain, "NXDOMAIN"},
		{"nodata", "www.zone.test", "MX", nil, check.Fail, check.DNSNoData, "no such record"},
		{"nodata at once", "www.empty.test", "A", nil, check.Fail, check.DNSNoData, "no such record"},
		{"nodata behind an alias", "half.zone.test", "A", nil, check.Fail, check.DNSNoData, "six.zone.test"},
		{"refused", "www.refused.test", "A", nil, check.Fail, check.DNSRefused, "REFUSED"},
		{"servfail", "www.broken.test", "A", nil, check.Fail, check.DNSServFail, "SERVFAIL"},
		{"dropped", "www.dropped.test", "A", nil, check.Fail, check.DNSTimeout, "gives no answer"},
		{"dangling", "dangling.zone.test", "A", nil, check.Fail, check.DNSDangling, "nowhere.zone.test"},
		{"expired signature", "www.expired.test", "A", nil, check.Fail, check.DNSBogus, "SERVFAIL"},
		{"signature not yet valid", "www.future.test", "A", nil, check.Fail, check.DNSBogus, "SERVFAIL"},
		{"forged", "www.forged.test", "A", nil, check.Fail, check.DNSBogus, "SERVFAIL"},
		{"mismatch", "www.zone.test", "A", []string{"192.0.2.9"}, check.Fail, check.DNSMismatch,
			"answers 192.0.2.1 instead of 192.0.2.9"},
		{"one too many", "two.zone.test", "A", []string{"192.0.2.1"}, check.Fail, check.DNSMismatch, "instead of"},
	}
	for name, ede := range map[string]bool{"with extended errors": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := dnsrig.Unbound(t, ede)
			for _, tt := range tests {
				t.Run(tt.name, func(t *testing.T) {
					target := DNSTarget{Query: tt.query, Type: tt.qtype, Servers: at(server)}
					target.Expect = tt.expect
					r := DNS(target)(withTimeout(t, time.Second))
					if r.Status != tt.status || r.Cause != tt.cause || !strings.Contains(r.Detail, tt.detail) {
						t.Errorf("got %s %q: %s", r.Status, r.Cause, r.Detail)
						t.Logf("want %s %q with %q", tt.status, tt.cause, tt.detail)
					}
					if (r.Cause != "") != (r.Remedy != "") {
						t.Errorf("cause %q has the remedy %q", r.Cause, r.Remedy)
					}
					if ede && r.Cause == check.DNSBogus && !strings.Contains(r.Detail, "extended error") {
						t.Errorf("no extended error in %q", r.Detail)
					}
				})
			}
		})
	}
}

func TestDNSEvidence(t *testing.T) {
	t.Parallel()
	server := dnsrig.Unbound(t, true)
	ask := func(query, qtype string) DNSServerEvidence {
		t.Helper()
		r := DNS(DNSTarget{Query: query, Type: qtype, Servers: at(server)})(withTimeout(t, 2*time.Second))
		e, ok := r.Evidence.(DNSEvidence)
		if !ok || len(e.Servers) != 1 || len(r.Endpoints) != 1 || len(r.Endpoints[0].Phases) != 1 {
			t.Fatalf("%s: evidence %+v, endpoints %+v", r.Detail, r.Evidence, r.Endpoints)
		}
		return e.Servers[0]
	}
	if e := ask("big.zone.test", "TXT"); e.Transport != "tcp" || !e.Truncated || e.AnswerCount != 60 ||
		len(e.Answers) != maxAnswersKept {
		t.Errorf("a large answer: %+v; want 60 records by tcp after a truncated answer", e)
	}
	e := ask("www.signed.test", "A")
	if !e.Authenticated || e.Rcode != "NOERROR" || e.Transport != "udp" || e.Tries != 1 {
		t.Errorf("a signed answer: %+v; want it authenticated, at the first try by udp", e)
	}
	if e := ask("www.zone.test", "A"); e.Authenticated {
		t.Errorf("an unsigned answer: %+v; want it not authenticated", e)
	}
	if e := ask("alias.zone.test", "A"); len(e.Chain) != 1 || e.Chain[0] != "www.zone.test" || e.TTL > 30 {
		t.Errorf("an alias: %+v; want the chain, and its lowest time to live", e)
	}
	if e := ask("www.forged.test", "A"); len(e.Extended) == 0 || e.Rcode != "SERVFAIL" {
		t.Errorf("a forged answer: %+v; want an extended error", e)
	}
}

// TestDNSSeveralServers holds the verdict over a well server and one that is not.
func TestDNSSeveralServers(t *testing.T) {
	t.Parallel()
	well := dnsrig.Unbound(t, true)
	closed := local(freePort(t))
	denying := dnsrig.Fake(t, dnsrig.DenyAll)
	other := dnsrig.Fake(t, dnsrig.AnswerA("198.51.100.7"))
	silent := dnsrig.Fake(t, func([]byte) [][]byte { return nil })
	tests := []struct {
		name    string
		servers []netip.AddrPort
		status  check.Status
		cause   check.Cause
	}{
		{"both well", []netip.AddrPort{well, well}, check.OK, ""},
		{"the second is closed", []netip.AddrPort{well, closed}, check.Warn, check.DNSUnreachable},
		{"the first is closed", []netip.AddrPort{closed, well}, check.Warn, check.DNSUnreachable},
		{"the second is silent", []netip.AddrPort{well, silent}, check.Warn, check.DNSTimeout},
		{"both are closed", []netip.AddrPort{closed, closed}, check.Fail, check.DNSUnreachable},
		{"the first one's cause counts", []netip.AddrPort{silent, closed}, check.Fail, check.DNSTimeout},
		{"one denies the name", []netip.AddrPort{well, denying}, check.Fail, check.DNSMismatch},
		{"denial weighs more than absence", []netip.AddrPort{closed, denying, well}, check.Fail, check.DNSMismatch},
		{"other addresses are no disagreement", []netip.AddrPort{well, other}, check.OK, ""},
		{"all deny", []netip.AddrPort{denying, denying}, check.Fail, check.DNSNXDomain},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := askWWW(t, 600*time.Millisecond, tt.servers...)
			if r.Status != tt.status || r.Cause != tt.cause || len(r.Endpoints) != len(tt.servers) {
				t.Errorf("got %s %q: %s; want %s %q", r.Status, r.Cause, r.Detail, tt.status, tt.cause)
			}
			for i, e := range r.Endpoints {
				if e.Address != tt.servers[i].String() || (e.Status == check.OK) != (e.Cause == "") {
					t.Errorf("endpoint %d is %+v; want server %s", i, e, tt.servers[i])
				}
			}
		})
	}
}

func TestDNSNoResolver(t *testing.T) {
	t.Parallel()
	empty := t.TempDir() + "/resolv.conf"
	writeFile(t, empty, "# nobody\nsearch corp.example\nnameserver not-an-address\n")
	for name, path := range map[string]string{"no file": empty + ".none", "no nameserver in it": empty} {
		r := DNS(DNSTarget{Query: "www.zone.test", Type: "A", resolvConf: path})(t.Context())
		if r.Status != check.Fail || r.Cause != check.DNSNoResolver || r.Remedy == "" {
			t.Errorf("%s: got %s %q: %s; want fail dns.no-resolver", name, r.Status, r.Cause, r.Detail)
		}
	}
}

func TestDNSBadTarget(t *testing.T) {
	t.Parallel()
	for _, target := range []DNSTarget{
		{Query: "www.zone.test", Type: "NOSUCH"}, {Query: "www.zone.test", Type: "AXFR"}, {Query: "a..b", Type: "A"},
		{Query: strings.Repeat("x", 64) + ".test", Type: "A"}, {Query: "", Type: "A"},
	} {
		if r := DNS(target)(t.Context()); r.Status != check.Unknown || r.Cause != check.Internal {
			t.Errorf("%+v: got %s %q: %s; want unknown internal", target, r.Status, r.Cause, r.Detail)
		}
	}
}

// TestDNSNoRoute runs in a namespace of its own, without a route or with one that prohibits.
func TestDNSNoRoute(t *testing.T) {
	t.Parallel()
	server := netip.MustParseAddrPort("192.0.2.53:53")
	inNamespace(t, func() {
		r := askWWW(t, time.Second, server)
		if r.Cause != check.DNSUnreachable || !strings.Contains(r.Detail, "network is unreachable") {
			t.Errorf("without a route: %q: %s; want dns.unreachable", r.Cause, r.Detail)
		}
	})
	for _, kind := range []string{"prohibit", "blackhole", "unreachable"} {
		inNamespace(t, func() {
			command(t, "ip", "link", "set", "lo", "up")
			command(t, "ip", "route", "add", kind, "192.0.2.0/24")
			r := askWWW(t, time.Second, server)
			if r.Cause != check.DNSUnreachable || r.Status != check.Fail {
				t.Errorf("with a %s route: %q: %s; want dns.unreachable", kind, r.Cause, r.Detail)
			}
		})
	}
}

// TestDNSCancel holds that a run ends with its context, and that being called off is no verdict.
func TestDNSCancel(t *testing.T) {
	t.Parallel()
	silent := dnsrig.Fake(t, func([]byte) [][]byte { return nil })
	ctx, cancel := context.WithCancel(withTimeout(t, time.Minute))
	stop := time.AfterFunc(100*time.Millisecond, cancel)
	defer stop.Stop()
	began := time.Now()
	r := DNS(DNSTarget{Query: "www.zone.test", Type: "A", Servers: at(silent)})(ctx)
	if took := time.Since(began); took > time.Second {
		t.Errorf("a cancelled run took %s", took)
	}
	if r.Status != check.Unknown || r.Cause != "" {
		t.Errorf("got %s %q: %s; want unknown without a cause", r.Status, r.Cause, r.Detail)
	}
}

// inNamespace runs f in a new network namespace, on a thread that is thrown away.
func inNamespace(t *testing.T, f func()) {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine, and the namespace with it
		err := unix.Unshare(unix.CLONE_NEWNET)
		if err == nil {
			f()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		needRoot(t, err)
	}
}

// askWWW is a run of the check that www.zone.test has an address, at these servers.
func askWWW(t *testing.T, timeout time.Duration, servers ...netip.AddrPort) check.Result {
	t.Helper()
	return DNS(DNSTarget{Query: "www.zone.test", Type: "A", Servers: at(servers...)})(withTimeout(t, timeout))
}

func command(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Errorf("%s %v: %v: %s", name, args, err, out)
	}
}

// TestDNSInside holds that a public name with a private address fails, with the mend, unless it is expected or the host's
// own.
func TestDNSInside(t *testing.T) {
	t.Parallel()
	server := dnsrig.Fake(t, dnsrig.AnswerA("10.20.30.40"))
	own := t.TempDir() + "/resolv.conf"
	writeFile(t, own, "nameserver 127.0.0.1\nsearch our-own.com\n")
	for name, c := range map[string]struct {
		target DNSTarget
		cause  check.Cause
	}{
		"public":   {DNSTarget{Query: "console.us.code42.com", resolvConf: own}, check.DNSMismatch},
		"expected": {DNSTarget{Query: "console.us.code42.com", Expect: []string{"10.20.30.40"}}, ""},
		"own":      {DNSTarget{Query: "dc1.our-own.com", resolvConf: own}, ""},
		"private":  {DNSTarget{Query: "dc1.corp"}, ""},
	} {
		c.target.Type, c.target.Servers = "A", at(server)
		r := DNS(c.target)(withTimeout(t, time.Second))
		if r.Cause != c.cause || (c.cause != "") != strings.Contains(r.Remedy, "under expect") {
			t.Errorf("%s: %q: %s (%s); want %q", name, r.Cause, r.Detail, r.Remedy, c.cause)
		}
	}
}
