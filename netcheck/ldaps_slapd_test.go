package netcheck

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"sallyport/check"
	"sallyport/netcheck/directory"
	"sallyport/tlsprobe"
	"sallyport/tlsprobe/tlsprobetest"
)

// directoryPKI is an authority and a certificate of it for the loopback addresses.
type directoryPKI struct {
	caFile, certFile, keyFile string // PEM
	roots                     *tlsprobe.Roots
	pair                      tls.Certificate
	authority                 *paper
}

func newDirectoryPKI(t *testing.T, changes ...change) directoryPKI {
	t.Helper()
	authority := sign(t, newKey(t), nil, asAuthority("directory test authority"), lasting(-400*oneDay, 400*oneDay))
	leaf := sign(t, newKey(t), authority, changes...)
	caFile, _ := files(t, authority)
	certFile, keyFile := files(t, leaf)
	return directoryPKI{
		caFile: caFile, certFile: certFile, keyFile: keyFile,
		roots: tlsprobe.NewRoots(authority.Cert), pair: tlsprobetest.Chain(leaf), authority: authority,
	}
}

// slapd is a directory server with LDAPS that lives as long as the test.
type slapd struct {
	directoryPKI
	addresses []netip.AddrPort
	port      uint16
	plain     uint16 // without TLS, at the first address
	log       *lockedBuffer
}

// lockedBuffer takes what a program writes while a test reads it.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// startSlapd runs a slapd with the data of slapdData and, before its databases, the lines of global. Without hosts it has
// no certificate, and listens on 127.0.0.1 without TLS alone. The edits are further pairs of old and new lines of its
// configuration.
func startSlapd(t *testing.T, hosts []string, global string, edits ...string) *slapd {
	t.Helper()
	return newDirectoryPKI(t).startSlapd(t, hosts, global, edits...)
}

// startSlapd is the same, with this certificate.
func (pki directoryPKI) startSlapd(t *testing.T, hosts []string, global string, edits ...string) *slapd {
	t.Helper()
	program, adder := needProgram(t, "slapd"), needProgram(t, "slapadd")
	dir := t.TempDir()
	s := &slapd{directoryPKI: pki, port: uint16(freePort(t)), plain: uint16(freePort(t)),
		log: new(lockedBuffer)}
	for _, db := range []string{"test", "strong", "codes"} {
		if err := os.Mkdir(filepath.Join(dir, db), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	conf := filepath.Join(dir, "slapd.conf")
	if len(hosts) == 0 {
		const own = "TLSCACertificateFile AUTHORITY\nTLSCertificateFile CERTIFICATE\nTLSCertificateKeyFile SECRET\n"
		edits = append(edits, own, "")
	}
	replace := strings.NewReplacer(append(edits, "GLOBAL", global, "DIR", dir,
		"AUTHORITY", s.caFile, "CERTIFICATE", s.certFile, "SECRET", s.keyFile)...)
	writeFile(t, conf, replace.Replace(readFile(t, "testdata/ldap/slapd.conf")))
	for suffix, ldif := range slapdData() {
		writeFile(t, dir+"/init.ldif", ldif)
		add := exec.Command(adder, "-q", "-f", conf, "-b", suffix, "-l", dir+"/init.ldif")
		if out, err := add.CombinedOutput(); err != nil {
			t.Fatalf("slapadd %s: %v: %s", suffix, err, out)
		}
	}
	urls := make([]string, len(hosts), len(hosts)+1)
	for i, host := range hosts {
		s.addresses = append(s.addresses, netip.AddrPortFrom(netip.MustParseAddr(host), s.port))
		urls[i] = "ldaps://" + net.JoinHostPort(host, fmt.Sprint(s.port)) + "/"
	}
	urls = append(urls, "ldap://"+net.JoinHostPort("127.0.0.1", fmt.Sprint(s.plain))+"/")
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, program, "-d", "256", "-f", conf, "-h", strings.Join(urls, " "))
	cmd.Stdout, cmd.Stderr = s.log, s.log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait()
	})
	eventually(t, "slapd accepts connections", func() bool {
		conn, err := net.Dial("tcp", local(int(s.plain)).String())
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
	return s
}

// bindsOf counts the binds that the server was asked for by a user.
func (s *slapd) bindsOf(dn string) int {
	return strings.Count(s.log.String(), fmt.Sprintf("BIND dn=%q method=128", dn))
}

// target is a check of the server by a user of dc=test whose password is pw.
func (s *slapd) target(t *testing.T, cn string) LDAPSTarget {
	t.Helper()
	return LDAPSTarget{Server: Server{Host: "127.0.0.1", Port: s.port, Roots: s.roots}, BindDN: cn,
		PasswordFile: secretFile(t, "pw\n"), BaseDN: "ou=people,dc=test", Filter: "(objectClass=person)", MinEntries: 5}
}

// runAtAll is a run at each of the server's addresses, as if a name had them.
func (s *slapd) runAtAll(ctx context.Context, target LDAPSTarget) check.Result {
	attempts := make([]attempt, len(s.addresses))
	for i, address := range s.addresses {
		attempts[i].address = address
	}
	filter, _ := directory.NewFilter("(objectClass=person)") // it is one
	run := newLDAPSRun(target, filter, new(directories))
	options := run.prepare()
	options.ServerName, options.Roots = "localhost", s.roots
	tryAll(ctx, attempts, options, run.use)
	return run.judge(attempts)
}

func secretFile(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	writeFile(t, path, content)
	return path
}

// slapdData is what each database holds: a tree with 20 people and a few users, and two that are next to empty.
func slapdData() map[string]string {
	domain := func(dc string) string {
		return fmt.Sprintf("dn: dc=%[1]s\nobjectClass: dcObject\nobjectClass: organization\no: %[1]s\n\n", dc)
	}
	person := func(cn, below string) string {
		return fmt.Sprintf("dn: cn=%[1]s,%[2]s\nobjectClass: person\nsn: %[1]s\nuserPassword: pw\n\n", cn, below)
	}
	tree := domain("test")
	for _, ou := range []string{"people", "closed"} {
		tree += fmt.Sprintf("dn: ou=%[1]s,dc=test\nobjectClass: organizationalUnit\nou: %[1]s\n\n", ou)
	}
	for _, cn := range []string{"reader", "short", "paged", "smallpages", "nopages", "unchecked", "wrong", "shared"} {
		tree += person(cn, "dc=test")
	}
	for i := range 20 {
		tree += person(fmt.Sprintf("user%02d", i), "ou=people,dc=test")
	}
	return map[string]string{"dc=test": tree, "dc=strong": domain("strong"), "dc=codes": domain("codes")}
}
