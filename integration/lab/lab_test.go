package lab_test

import (
	"context"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"sallyport/integration/lab"
)

// TestMain runs the tests where nothing can touch the machine's own namespaces.
func TestMain(m *testing.M) { os.Exit(lab.Isolated(m.Run)) }

// limit bounds a test's waiting.
func limit(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// need fails where everything must be tested, and skips elsewhere, when a program is missing.
func need(t *testing.T, programs ...string) {
	t.Helper()
	for _, program := range programs {
		if _, err := exec.LookPath(program); err == nil {
			continue
		}
		if os.Getenv("SALLYPORT_TEST_FULL") == "1" {
			t.Fatalf("%s is not installed", program)
		}
		t.Skipf("%s is not installed", program)
	}
}

func kinds(t *testing.T, test func(t *testing.T, l *lab.Lab)) {
	t.Helper()
	for _, kind := range []lab.Kind{lab.Embedded, lab.Real} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			if kind == lab.Real {
				need(t, "unbound", "nginx", "slapd", "slapadd")
			}
			l, err := lab.New(limit(t), t.TempDir(), kind)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := l.Close(); err != nil {
					t.Error(err)
				}
			})
			test(t, l)
		})
	}
}

// dig asks the lab's resolver from the host, found through the host's own resolv.conf.
func dig(t *testing.T, l *lab.Lab, args ...string) string {
	t.Helper()
	args = append([]string{"+noall", "+comments", "+answer", "+tries=1", "+time=1"}, args...)
	got, err := l.Host.Run(limit(t), "dig", args...)
	if err != nil {
		t.Fatal(err)
	}
	return got.Stdout
}

func TestResolverAnswersAndFails(t *testing.T) {
	need(t, "dig")
	kinds(t, func(t *testing.T, l *lab.Lab) {
		for _, c := range []struct {
			answer lab.Answer
			want   string
		}{
			{lab.Answer{Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.9")}}, "A\t192.0.2.9"},
			{lab.Answer{Fault: lab.NXDomain}, "status: NXDOMAIN"},
			{lab.Answer{Fault: lab.NoData}, "status: NOERROR"},
			{lab.Answer{Fault: lab.ServFail}, "status: SERVFAIL"},
			{lab.Answer{Fault: lab.Refused}, "status: REFUSED"},
			{lab.Answer{Fault: lab.Silence}, "no servers could be reached"},
		} {
			if err := l.NameServer.Answer(limit(t), lab.CloudName, c.answer); err != nil {
				t.Fatal(err)
			}
			if got := dig(t, l, lab.CloudName, "A"); !strings.Contains(got, c.want) {
				t.Errorf("%+v: dig says %q, want %q in it", c.answer, got, c.want)
			}
		}
		if got := dig(t, l, "+tcp", lab.DirectoryName, "AAAA"); !strings.Contains(got, l.Directory.IPv6.String()) {
			t.Errorf("over TCP dig says %q", got)
		}
	})
}

// TestCertificatesChange reads each flaw with another program's eyes.
func TestCertificatesChange(t *testing.T) {
	need(t, "curl")
	kinds(t, func(t *testing.T, l *lab.Lab) {
		for flaw, want := range map[lab.Flaw]string{
			lab.Sound:               `"status":"ok"`,
			lab.Expired:             "certificate has expired",
			lab.NotYetValid:         "certificate is not yet valid",
			lab.Expiring:            `"status":"ok"`,
			lab.WrongName:           "no alternative certificate subject name matches",
			lab.SelfSigned:          "self-signed certificate",
			lab.OtherAuthority:      "unable to get local issuer certificate",
			lab.MissingIntermediate: "unable to get local issuer certificate",
			lab.ExpiredIntermediate: "certificate has expired",
			lab.WeakKey:             "EE certificate key too weak",
			lab.ClientUsage:         "nsuitable certificate purpose",
		} {
			if err := l.Flaw(limit(t), l.Web, lab.CloudName, flaw); err != nil {
				t.Fatal(err)
			}
			got, err := l.Host.Run(limit(t), "curl", "-sS", "--max-time", "5", "--cacert", l.RootsFile(),
				"https://"+lab.CloudName+"/")
			if err != nil {
				t.Fatal(err)
			}
			if said := got.Stdout + got.Stderr; !strings.Contains(said, want) {
				t.Errorf("%q: curl says %q, want %q in it", flaw, said, want)
			}
		}
	})
}

func TestDirectoryKnowsItsPeople(t *testing.T) {
	need(t, "ldapsearch")
	search := func(t *testing.T, l *lab.Lab, password string, args ...string) string {
		t.Helper()
		args = append([]string{"LDAPTLS_CACERT=" + l.RootsFile(), "ldapsearch", "-x", "-LLL",
			"-H", "ldaps://" + lab.DirectoryName, "-D", lab.BindDN, "-w", password}, args...)
		got, err := l.Host.Run(limit(t), "env", args...)
		if err != nil {
			t.Fatal(err)
		}
		return got.Stdout + got.Stderr
	}
	kinds(t, func(t *testing.T, l *lab.Lab) {
		everybody := search(t, l, lab.Password, "-b", lab.StaffDN, "(objectClass=person)", "sn")
		if got := strings.Count(everybody, "sn:"); got != lab.Staff {
			t.Errorf("found %d people, want %d", got, lab.Staff)
		}
		for _, c := range []struct {
			password string
			args     []string
			want     string
		}{
			{"wrong", []string{"-b", lab.StaffDN}, "Invalid credentials (49)"},
			{lab.Password, []string{"-b", "OU=Nobody," + lab.BaseDN}, "No such object (32)"},
			{lab.Password, []string{"-z", "5", "-b", lab.StaffDN}, "Size limit exceeded (4)"},
			{lab.Password, []string{"-b", "", "-s", "base", "namingContexts"}, "namingContexts: "},
			{lab.Password, []string{"-b", lab.BindDN, "-s", "base", "userPassword"}, "dn: "},
		} {
			got := search(t, l, c.password, c.args...)
			if !strings.Contains(got, c.want) || strings.Contains(got, "userPassword") {
				t.Errorf("%q: ldapsearch says %q, want %q in it", c.args, got, c.want)
			}
		}
	})
}

func TestServersStopAndStart(t *testing.T) {
	kinds(t, func(t *testing.T, l *lab.Lab) {
		to := netip.AddrPortFrom(l.Directory.IPv6, 636)
		held, err := l.Host.Dial(limit(t), "tcp", to.String()) // a lingering client must not hold Stop up
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = held.Close() }()
		if err := l.LDAP.Stop(); err != nil {
			t.Fatal(err)
		}
		if got := l.Host.TCP(limit(t), to); got.Says != "refused" {
			t.Errorf("a stopped directory says %q, want a refusal", got.Says)
		}
		if err := l.LDAP.Start(limit(t)); err != nil {
			t.Fatal(err)
		}
		if got := l.Host.TCP(limit(t), to); got.Says != "silence" { // it waits for a ClientHello
			t.Errorf("a started directory says %q, want silence before a ClientHello", got.Says)
		}
	})
}

func TestEverybodyReachesEverybodyWithoutSallyport(t *testing.T) {
	t.Parallel()
	l, err := lab.New(limit(t), t.TempDir(), lab.Embedded)
	if err != nil {
		t.Fatal(err)
	}
	services, err := lab.StartServices(limit(t), l.Host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := services.Close(); err != nil {
			t.Error(err)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := l.Stranger.FlushNeighbours(); err != nil {
		t.Fatal(err)
	}
	for _, from := range []*lab.Node{l.Admin, l.Stranger} {
		for _, to := range l.Host.Addresses() {
			if got := from.TCP(limit(t), netip.AddrPortFrom(to, lab.SSHPort)); got.Says != lab.Banner {
				t.Errorf("%s to %s by TCP: %+v", from.Name, to, got)
			}
			if got := from.UDP(limit(t), netip.AddrPortFrom(to, lab.AgentPort)); !got.In {
				t.Errorf("%s to %s by UDP: %+v", from.Name, to, got)
			}
			if got := from.Ping(limit(t), to); !got.In {
				t.Errorf("%s to %s by ping: %+v", from.Name, to, got)
			}
		}
	}
}

// TestNothingIsShared holds that a node has nothing but its own: processes, links, resolver.
func TestNothingIsShared(t *testing.T) {
	need(t, "ip", "cat")
	t.Parallel()
	l, err := lab.New(limit(t), t.TempDir(), lab.Embedded)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	links, err := l.Stranger.Run(limit(t), "ip", "-o", "link")
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(links.Stdout, "\n"); got != 2 {
		t.Errorf("the stranger has other links than lo and %s:\n%s", lab.NIC, links.Stdout)
	}
	resolver, err := l.Host.Run(limit(t), "cat", "/etc/resolv.conf")
	if err != nil {
		t.Fatal(err)
	}
	here, err := os.ReadFile("/etc/resolv.conf")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(resolver.Stdout, l.Resolver.IPv4.String()) || resolver.Stdout == string(here) {
		t.Errorf("the host's resolver is %q", resolver.Stdout)
	}
}

func TestTamperingNeedsATable(t *testing.T) {
	need(t, "nft")
	t.Parallel()
	l, err := lab.New(limit(t), t.TempDir(), lab.Embedded)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := l.Host.Tamper(lab.FlushTable); err == nil {
		t.Error("flushing a table that is not there went well")
	}
	ruleset := "table inet sallyport { chain a { accept; }; chain b { drop; }; }"
	if got, err := l.Host.Run(limit(t), "nft", ruleset); err != nil || got.Code != 0 {
		t.Fatal(got, err)
	}
	list := func() string {
		t.Helper()
		got, err := l.Host.Run(limit(t), "nft", "list", "ruleset")
		if err != nil {
			t.Fatal(err)
		}
		return got.Stdout
	}
	if err := l.Host.Tamper(lab.FlushTable); err != nil {
		t.Fatal(err)
	}
	if got := list(); !strings.Contains(got, "chain a") || strings.Contains(got, "accept") || strings.Contains(got, "drop") {
		t.Errorf("after the flush:\n%s", got)
	}
	if err := l.Host.Tamper(lab.DeleteTable); err != nil {
		t.Fatal(err)
	}
	if got := list(); got != "" {
		t.Errorf("after the deletion:\n%s", got)
	}
}
