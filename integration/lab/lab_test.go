package lab_test

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

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
			lab.WeakSignature:       "signature digest algorithm too weak",
			lab.ClientUsage:         "nsuitable certificate purpose",
			lab.Inspected:           "unable to get local issuer certificate",
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

// bare builds a lab on whose host nothing is done yet, and says what its tables are, by nft.
func bare(t *testing.T) (l *lab.Lab, list func() string) {
	t.Helper()
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
	return l, func() string {
		t.Helper()
		return nft(t, l, "list", "ruleset")
	}
}

// nft runs nft on the lab's host.
func nft(t *testing.T, l *lab.Lab, words ...string) string {
	t.Helper()
	got, err := l.Host.Run(limit(t), "nft", words...)
	if err != nil || got.Code != 0 {
		t.Fatalf("nft %q: %v: %s", words, err, got.Stderr)
	}
	return got.Stdout
}

const two = "table inet sallyport { chain a { accept; }; chain b { drop; }; }"

func TestTamperingNeedsATable(t *testing.T) {
	l, list := bare(t)
	for _, how := range []lab.Tampering{lab.FlushTable, lab.DeleteTable, lab.RemoveSideDoor, lab.RemoveBarrier} {
		if err := l.Host.Tamper(how); !errors.Is(err, unix.ENOENT) {
			t.Errorf("%s where there is no table: %v", how, err)
		}
	}
	nft(t, l, two)
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
	nft(t, l, two)
	nft(t, l, "add", "table", "ip", "another")
	if err := l.Host.Tamper(lab.FlushRuleset); err != nil {
		t.Fatal(err)
	}
	if got := list(); got != "" {
		t.Errorf("after all was flushed:\n%s", got)
	}
}

// TestTablesAreThoseOfNft holds that the lab's own messages make what the lines make that are shown.
func TestTablesAreThoseOfNft(t *testing.T) {
	l, list := bare(t)
	for _, c := range []struct {
		add, remove lab.Tampering
		rule        string
	}{
		{lab.AddSideDoor, lab.RemoveSideDoor, "redirect to :22"},
		{lab.AddBarrier, lab.RemoveBarrier, "tcp dport 636 reject with icmpx admin-prohibited"},
	} {
		if err := l.Host.Tamper(c.add); err != nil {
			t.Fatal(err)
		}
		got := list()
		if err := l.Host.Tamper(c.remove); err != nil {
			t.Fatal(err)
		}
		if left := list(); left != "" {
			t.Errorf("left:\n%s", left)
		}
		nft(t, l, strings.ReplaceAll(strings.TrimPrefix(string(c.add), "nft "), "'", ""))
		if want := list(); got != want || !strings.Contains(got, c.rule) {
			t.Errorf("the lab makes:\n%s\nnft makes:\n%s", got, want)
		}
		nft(t, l, strings.TrimPrefix(string(c.remove), "nft "))
	}
}

// TestTableHandle holds that a table which was made again does not pass for the one that was there.
func TestTableHandle(t *testing.T) {
	l, list := bare(t)
	if handle, err := l.Host.TableHandle(); !errors.Is(err, unix.ENOENT) {
		t.Errorf("where there is no table: %d, %v", handle, err)
	}
	handle := func() uint64 {
		t.Helper()
		got, err := l.Host.TableHandle()
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	nft(t, l, two)
	first := handle()
	nft(t, l, "flush", "table", "inet", "sallyport")
	if again := handle(); again != first {
		t.Errorf("the handle was %d and is %d", first, again)
	}
	nft(t, l, "delete table inet sallyport; "+two)
	if now := handle(); now == first {
		t.Errorf("another table has the same handle %d", now)
	}
	before := list()
	if _, err := l.Host.Ownable(); err != nil {
		t.Error(err)
	}
	if after := list(); after != before {
		t.Errorf("asking whether a table can be owned leaves:\n%s", after)
	}
}
