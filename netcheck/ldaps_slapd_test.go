package netcheck

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"sallyport/check"
	"sallyport/tlsprobe"
)

// directoryPKI is an authority and a certificate of it for the loopback addresses.
type directoryPKI struct {
	authority, leaf, key []byte // PEM
	roots                *tlsprobe.Roots
	pair                 tls.Certificate
}

func newDirectoryPKI(t *testing.T) directoryPKI {
	t.Helper()
	template := func(serial int64, name string) *x509.Certificate {
		return &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(90 * 24 * time.Hour)}
	}
	caKey, key := newKey(t), newKey(t)
	ca := template(1, "directory test authority")
	ca.IsCA, ca.BasicConstraintsValid, ca.KeyUsage = true, true, x509.KeyUsageCertSign
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, &caKey.PublicKey, caKey)
	if err != nil {
		t.Fatal(err)
	}
	leaf := template(2, "directory")
	leaf.DNSNames = []string{"localhost"}
	leaf.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	leaf.KeyUsage, leaf.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, ca, &key.PublicKey, caKey)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string, der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}) }
	p := directoryPKI{authority: block("CERTIFICATE", caDER), leaf: block("CERTIFICATE", leafDER), key: block("PRIVATE KEY", keyDER)}
	parsed, err := x509.ParseCertificate(caDER)
	if err != nil {
		t.Fatal(err)
	}
	p.roots = tlsprobe.NewRoots(parsed)
	if p.pair, err = tls.X509KeyPair(p.leaf, p.key); err != nil {
		t.Fatal(err)
	}
	return p
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// slapd is a directory server with LDAPS that lives as long as the test.
type slapd struct {
	directoryPKI
	hosts []string
	port  uint16
	log   *lockedBuffer
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

// startSlapd runs a slapd with the data of slapdData and, before its databases, the lines of global.
func startSlapd(t *testing.T, hosts []string, global string) *slapd {
	t.Helper()
	program, adder := needProgram(t, "slapd"), needProgram(t, "slapadd")
	dir := t.TempDir()
	s := &slapd{directoryPKI: newDirectoryPKI(t), hosts: hosts, port: uint16(freePort(t)), log: new(lockedBuffer)}
	writeFile(t, dir+"/ca.pem", string(s.authority))
	writeFile(t, dir+"/leaf.pem", string(s.leaf))
	writeFile(t, dir+"/key.pem", string(s.key))
	for _, db := range []string{"test", "strong", "codes"} {
		if err := os.Mkdir(filepath.Join(dir, db), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	conf := filepath.Join(dir, "slapd.conf")
	writeFile(t, conf, strings.ReplaceAll(strings.Replace(slapdConf, "GLOBAL", global, 1), "DIR", dir))
	for suffix, ldif := range slapdData() {
		writeFile(t, dir+"/init.ldif", ldif)
		if out, err := exec.Command(adder, "-q", "-f", conf, "-b", suffix, "-l", dir+"/init.ldif").CombinedOutput(); err != nil {
			t.Fatalf("slapadd %s: %v: %s", suffix, err, out)
		}
	}
	urls := make([]string, len(hosts))
	for i, host := range hosts {
		urls[i] = "ldaps://" + net.JoinHostPort(host, fmt.Sprint(s.port)) + "/"
	}
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
		conn, err := net.Dial("tcp", local(int(s.port)).String())
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
	return LDAPSTarget{Host: "127.0.0.1", Port: s.port, Roots: s.roots, BindDN: cn, PasswordFile: secretFile(t, "pw\n"),
		BaseDN: "ou=people,dc=test", Filter: "(objectClass=person)", MinEntries: 5}
}

// runAtAll is a run at each of the server's addresses, as if a name had them.
func (s *slapd) runAtAll(ctx context.Context, target LDAPSTarget) check.Result {
	attempts := make([]attempt, len(s.hosts))
	for i, host := range s.hosts {
		attempts[i].address = netip.AddrPortFrom(netip.MustParseAddr(host), s.port)
	}
	run := newLDAPSRun(target)
	run.Filter = "(objectClass=person)"
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

const slapdConf = `include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload retcode
pidfile DIR/slapd.pid
TLSCACertificateFile DIR/ca.pem
TLSCertificateFile DIR/leaf.pem
TLSCertificateKeyFile DIR/key.pem
GLOBAL
database mdb
suffix "dc=test"
rootdn "cn=admin,dc=test"
rootpw pw
directory DIR/test
limits dn.exact="cn=short,dc=test" size=3
access to attrs=userPassword by anonymous auth by * none
access to dn.subtree="ou=closed,dc=test" by * disclose
access to dn.subtree="dc=test" by users read by * disclose

database mdb
suffix "dc=strong"
rootdn "cn=admin,dc=strong"
rootpw pw
directory DIR/strong
security ssf=1024

database mdb
suffix "dc=codes"
rootdn "cn=admin,dc=codes"
rootpw pw
directory DIR/codes
access to attrs=userPassword by anonymous auth by * none
access to * by * read
overlay retcode
retcode-parent "ou=faults,dc=codes"
retcode-item "cn=ad525" 0x31 op=bind text="80090308: LdapErr: DSID-0C09041C, comment: AcceptSecurityContext error, data 525, v4563"
retcode-item "cn=ad52e" 0x31 op=bind text="80090308: LdapErr: DSID-0C09041C, comment: AcceptSecurityContext error, data 52e, v4563"
retcode-item "cn=ad530" 0x31 op=bind text="80090308: LdapErr: DSID-0C09041C, comment: AcceptSecurityContext error, data 530, v4563"
retcode-item "cn=ad531" 0x31 op=bind text="80090308: LdapErr: DSID-0C09041C, comment: AcceptSecurityContext error, data 531, v4563"
retcode-item "cn=ad532" 0x31 op=bind text="80090308: LdapErr: DSID-0C09041C, comment: AcceptSecurityContext error, data 532, v4563"
retcode-item "cn=ad533" 0x31 op=bind text="80090308: LdapErr: DSID-0C09041C, comment: AcceptSecurityContext error, data 533, v4563"
retcode-item "cn=ad701" 0x31 op=bind text="80090308: LdapErr: DSID-0C09041C, comment: AcceptSecurityContext error, data 701, v4563"
retcode-item "cn=ad773" 0x31 op=bind text="80090308: LdapErr: DSID-0C09041C, comment: AcceptSecurityContext error, data 773, v4563"
retcode-item "cn=ad775" 0x31 op=bind text="80090308: LdapErr: DSID-0C09041C, comment: AcceptSecurityContext error, data 775, v4563"
retcode-item "cn=strongbind" 0x08 op=bind
retcode-item "cn=busybind" 0x33 op=bind
retcode-item "cn=nopassword" 0x30 op=bind
retcode-item "cn=byebind" 0x00 op=bind flags=pre-disconnect
retcode-item "cn=slowbind" 0x00 op=bind sleeptime=2
retcode-item "cn=busy" 0x33 op=search
retcode-item "cn=unavailable" 0x34 op=search
retcode-item "cn=unwilling" 0x35 op=search text="come\nback later"
retcode-item "cn=referral" 0x0a op=search ref="ldaps://other.test/dc=codes"
retcode-item "cn=timelimit" 0x03 op=search
retcode-item "cn=adminlimit" 0x0b op=search
retcode-item "cn=adanonymous" 0x01 op=search text="000004DC: LdapErr: DSID-0C090A5C, comment: In order to perform this operation a successful bind must be completed on the connection., data 0, v4563"
retcode-item "cn=other" 0x50 op=search
retcode-item "cn=bye" 0x00 op=search flags=pre-disconnect
retcode-item "cn=slow" 0x00 op=search sleeptime=2
`

func slapdData() map[string]string {
	person := func(dn, cn string) string {
		return fmt.Sprintf("dn: %s\nobjectClass: person\ncn: %s\nsn: %s\nuserPassword: pw\n\n", dn, cn, cn)
	}
	tree := "dn: dc=test\nobjectClass: dcObject\nobjectClass: organization\no: test\ndc: test\n\n"
	for _, ou := range []string{"people", "closed"} {
		tree += fmt.Sprintf("dn: ou=%[1]s,dc=test\nobjectClass: organizationalUnit\nou: %[1]s\n\n", ou)
	}
	for _, cn := range []string{"reader", "short", "wrong", "changed", "shared"} {
		tree += person("cn="+cn+",dc=test", cn)
	}
	for i := range 20 {
		cn := fmt.Sprintf("user%02d", i)
		tree += person("cn="+cn+",ou=people,dc=test", cn)
	}
	return map[string]string{
		"dc=test":   tree,
		"dc=strong": "dn: dc=strong\nobjectClass: dcObject\nobjectClass: organization\no: strong\ndc: strong\n\n",
		"dc=codes":  "dn: dc=codes\nobjectClass: dcObject\nobjectClass: organization\no: codes\ndc: codes\n\n" + person("cn=reader,dc=codes", "reader"),
	}
}
