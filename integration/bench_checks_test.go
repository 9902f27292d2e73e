package integration_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/miekg/dns"

	"sallyport/check"
	"sallyport/integration/lab"
	"sallyport/netcheck"
	"sallyport/netcheck/memory"
	"sallyport/netcheck/resolver"
	"sallyport/tlsprobe"
	"sallyport/tlsprobe/jvm"
	"sallyport/tlsprobe/profile"
	"sallyport/tlsprobe/revocation"
)

// Each of these benchmarks compares a check with a bare loop: the fewest lines that do the same over the wire with the
// same library, and believe the same. The name of a server is an address here: neither side asks a resolver.

const (
	expiryWarn = 21 * 24 * time.Hour // the configuration's defaults
	expiryFail = 7 * 24 * time.Hour

	loopbackHost = "127.0.0.1"
	webAddress   = loopbackHost + ":443"
	ldapAddress  = loopbackHost + ":636"
	nameAddress  = loopbackHost + ":53"
)

// servers are the lab's embedded servers in another process, and what a client of theirs needs.
type servers struct {
	dir   string
	roots *tlsprobe.Roots
	pool  *x509.CertPool
}

// newServers starts them. They end with the benchmark.
func newServers(b *testing.B) servers {
	b.Helper()
	available(b, "go")
	program, err := loopback()
	if err != nil {
		b.Fatal(err)
	}
	s := servers{dir: b.TempDir()}
	cmd := exec.CommandContext(b.Context(), program, s.dir)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	said, _ := bufio.NewReader(stdout).ReadString('\n')
	b.Cleanup(func() {
		if err := errors.Join(stdin.Close(), cmd.Wait()); err != nil && b.Context().Err() == nil {
			b.Error(err)
		}
	})
	if said != "ready\n" {
		b.Fatalf("the servers do not answer; they say %q", said)
	}
	s.trust(b)
	return s
}

// trust reads the servers' authority, for the check and for the bare loop.
func (s *servers) trust(b *testing.B) {
	b.Helper()
	file := filepath.Join(s.dir, "roots.pem")
	raw, err := os.ReadFile(file)
	if err != nil {
		b.Fatal(err)
	}
	s.pool = x509.NewCertPool()
	if !s.pool.AppendCertsFromPEM(raw) {
		b.Fatalf("no certificate in %s", file)
	}
	if s.roots, err = tlsprobe.LoadRoots([]string{file}); err != nil {
		b.Fatal(err)
	}
}

// sallyport is a check as a contender. A result that is not ok ends the benchmark: something else was measured then.
func sallyport(run func(context.Context) check.Result) contender {
	return contender{"cpu-µs/op", func(ctx context.Context) error {
		if r := run(ctx); r.Status != check.OK {
			return fmt.Errorf("%s %s: %s", r.Status, r.Cause, r.Detail)
		}
		return nil
	}}
}

// dial connects and shakes hands with the library's own verification.
func (s servers) dial(ctx context.Context, address, name string) (net.Conn, error) {
	dialer := tls.Dialer{Config: &tls.Config{ServerName: name, RootCAs: s.pool}}
	return dialer.DialContext(ctx, "tcp", address)
}

// likeStock is the client that a check looks like where the configuration has a service whose Java is not found.
func likeStock() func() *tlsprobe.Like {
	like := tlsprobe.NewLike(profile.Stock(17))
	return func() *tlsprobe.Like { return like }
}

// likeJava is the client that it looks like where the Java is found.
func likeJava(b *testing.B, java *jvm.Watch) func() *tlsprobe.Like {
	return func() *tlsprobe.Like {
		trust, err := java.Trust(time.Now())
		if err != nil {
			b.Error(err)
			return nil
		}
		return trust.Like()
	}
}

// as is a contender under a name of its own.
func (c contender) as(name string) contender {
	c.metric = name + "-" + c.metric
	return c
}

// BenchmarkCheckTLS compares three checks with a dial by crypto/tls as it is, which verifies: ratio is of a check that
// shakes hands as a Java does, ratio-java of one that is judged by a Java's trust store too, ratio-like-go of one that
// offers what crypto/tls does.
func BenchmarkCheckTLS(b *testing.B) {
	s := newServers(b)
	target := netcheck.TLSTarget{Server: s.server(443, lab.CloudName)}
	likeGo := netcheck.TLS(target)
	target.Like = likeStock()
	run := netcheck.TLS(target)
	target.Java = s.java(b)
	target.Like = likeJava(b, target.Java)
	judged := netcheck.TLS(target)
	bare := func(ctx context.Context) error {
		conn, err := s.dial(ctx, webAddress, lab.CloudName)
		if err != nil {
			return err
		}
		return conn.Close()
	}
	times := compete(b, sallyport(run), contender{"bare-cpu-µs/op", bare},
		sallyport(judged).as("java"), sallyport(likeGo).as("like-go"))
	b.ReportMetric(times.ratio(0, 1), "ratio")
	b.ReportMetric(times.ratio(2, 1), "ratio-java")
	b.ReportMetric(times.ratio(3, 1), "ratio-like-go")
}

// server is one of the servers, as the configuration's defaults have it judged, and its certificates kept. Revocation is
// looked for, and these certificates name nobody to ask.
func (s servers) server(port uint16, name string) netcheck.Server {
	return netcheck.Server{Host: loopbackHost, Port: port, ServerName: name, Roots: s.roots,
		Warn: expiryWarn, Fail: expiryFail, Check: name, Seen: netcheck.KeepSeen(s.memory()),
		Revocation: netcheck.Revocation{Checker: revocation.NewChecker()}}
}

// memory is where checks keep what outlives the process.
func (s servers) memory() memory.Folder { return memory.Folder{State: s.dir} }

func BenchmarkCheckDNS(b *testing.B) {
	newServers(b)
	run := netcheck.DNS(netcheck.DNSTarget{ // the cloud's name is a public one, and must not be at a loopback address
		Query: lab.DirectoryName, Type: "A", Servers: []resolver.Server{resolver.At(netip.MustParseAddrPort(nameAddress))},
	})
	client := dns.Client{UDPSize: 1232}
	bare := func(ctx context.Context) error {
		query := new(dns.Msg).SetQuestion(dns.Fqdn(lab.DirectoryName), dns.TypeA)
		query.SetEdns0(1232, false)
		answer, _, err := client.ExchangeContext(ctx, query, nameAddress)
		if err == nil && (answer.Rcode != dns.RcodeSuccess || len(answer.Answer) == 0) {
			err = fmt.Errorf("no answer: %s", answer)
		}
		return err
	}
	times := compete(b, sallyport(run), contender{"bare-cpu-µs/op", bare})
	b.ReportMetric(times.ratio(0, 1), "ratio")
}

// BenchmarkCheckLDAPS has two bare loops: bind and search alone, which is what the check does in most runs, and with the
// rootDSE, which it reads every five minutes. ratio is against the first, ratio-rootdse against the second; ratio-java is
// of a check that is judged by a Java's trust store too, ratio-like-go of one that offers what crypto/tls does, both against
// the first.
func BenchmarkCheckLDAPS(b *testing.B) {
	s := newServers(b)
	target := netcheck.LDAPSTarget{
		Server: s.server(636, lab.DirectoryName),
		BindDN: lab.BindDN, PasswordFile: filepath.Join(s.dir, "ldap-password"),
		BaseDN: lab.StaffDN, Filter: "(objectClass=person)", MinEntries: 1, PageSize: 500,
		Directories: []string{"ldaps://" + ldapAddress}, Refused: netcheck.NewRefusedSecrets(s.memory()),
	}
	likeGo := netcheck.LDAPS(target)
	target.Like = likeStock()
	run := netcheck.LDAPS(target)
	target.Java = s.java(b)
	target.Like = likeJava(b, target.Java)
	judged := netcheck.LDAPS(target)
	bare := func(ctx context.Context) error { return s.bareLDAP(ctx, false) }
	withRootDSE := func(ctx context.Context) error { return s.bareLDAP(ctx, true) }
	times := compete(b, sallyport(run), contender{"bare-cpu-µs/op", bare}, contender{"bare-rootdse-cpu-µs/op", withRootDSE},
		sallyport(judged).as("java"), sallyport(likeGo).as("like-go"))
	b.ReportMetric(times.ratio(0, 1), "ratio")
	b.ReportMetric(times.ratio(0, 2), "ratio-rootdse")
	b.ReportMetric(times.ratio(3, 1), "ratio-java")
	b.ReportMetric(times.ratio(4, 1), "ratio-like-go")
}

func (s servers) bareLDAP(ctx context.Context, rootDSE bool) error {
	conn, err := s.dial(ctx, ldapAddress, lab.DirectoryName)
	if err != nil {
		return err
	}
	directory := ldap.NewConn(conn, true)
	directory.Start()
	defer func() { _ = directory.Close() }()
	if err := directory.Bind(lab.BindDN, lab.Password); err != nil {
		return err
	}
	if rootDSE {
		_, err := directory.Search(ldap.NewSearchRequest("", ldap.ScopeBaseObject, ldap.NeverDerefAliases, 2, 0, false,
			"(objectClass=*)", []string{"supportedLDAPVersion", "namingContexts", "vendorName", "vendorVersion",
				"supportedControl", "supportedCapabilities", "currentTime", "dnsHostName", "dsServiceName"}, nil))
		if err != nil {
			return err
		}
	}
	// As the check: two entries at most, without attributes, to show that there is one.
	found, err := directory.Search(ldap.NewSearchRequest(lab.StaffDN, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 2, 0,
		false, "(objectClass=person)", []string{"1.1"}, nil))
	if !ldap.IsErrorWithCode(err, ldap.LDAPResultSizeLimitExceeded) || len(found.Entries) != 2 {
		return fmt.Errorf("want two entries and more to come: %w", err)
	}
	return directory.Unbind()
}
