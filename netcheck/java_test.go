package netcheck

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sallyport/check"
	"sallyport/tlsprobe"
	"sallyport/tlsprobe/jvm"
)

// javaHome is a Java home with a trust store of its own and the real Java's programs and properties.
func javaHome(t *testing.T, storeType string, trusted ...*x509.Certificate) string {
	t.Helper()
	program, err := filepath.EvalSymlinks(needProgram(t, "java"))
	if err != nil {
		t.Fatal(err)
	}
	genuine, home := filepath.Dir(filepath.Dir(program)), t.TempDir()
	if err := os.MkdirAll(filepath.Join(home, "lib/security"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"conf", "release", "bin"} {
		if err := os.Symlink(filepath.Join(genuine, name), filepath.Join(home, name)); err != nil {
			t.Fatal(err)
		}
	}
	for i, cert := range trusted {
		file := filepath.Join(home, "ca.pem")
		writeFile(t, file, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})))
		keytool(t, "-J-Dkeystore.pkcs12.certProtectionAlgorithm=NONE", "-J-Dkeystore.pkcs12.macAlgorithm=NONE",
			"-importcert", "-noprompt", "-alias", fmt.Sprint(i), "-file", file, "-keystore", cacerts(home),
			"-storetype", storeType, "-storepass", "changeit")
	}
	return home
}

func cacerts(home string) string { return filepath.Join(home, "lib/security/cacerts") }

func keytool(t *testing.T, args ...string) {
	t.Helper()
	args = append([]string{"-J-XX:TieredStopAtLevel=1", "-J-XX:+UseSerialGC"}, args...)
	if out, err := exec.CommandContext(t.Context(), needProgram(t, "keytool"), args...).CombinedOutput(); err != nil {
		t.Fatalf("keytool %q: %v: %s", args, err, out)
	}
}

func watching(home string) *jvm.Watch { return jvm.NewWatch(jvm.Service{Java: home}, nil, nil) }

// askRealJava makes the same connections by the real Java, in one run for all: ok, or what it says.
func askRealJava(t *testing.T, lines []string) map[string]string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), needProgram(t, "java"), "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC",
		"testdata/java/Connect.java")
	cmd.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
	var errors strings.Builder
	cmd.Stderr = &errors
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("java: %v: %s", err, errors.String())
	}
	said := map[string]string{}
	for line := range strings.Lines(string(out)) {
		label, words, _ := strings.Cut(strings.TrimSpace(line), "\t")
		said[label] = words
	}
	return said
}

// javaFault is one server, and what we and the real Java make of it.
type javaFault struct {
	name  string
	port  uint16
	host  string          // whom the server must prove to be: localhost unless set
	roots *tlsprobe.Roots // ours: the registry's root unless set
	home  string          // Java's: one that trusts the registry's root unless set
	ours  check.Cause     // empty: all is well
	java  jvm.Complaint   // empty: Java connects
	words string          // that the detail must have
}

// TestJavaAgrees has the real Java connect to the same servers. Where it fails, we fail, and for the same reason; where it
// connects and we do not, that is meant, and the words say so.
func TestJavaAgrees(t *testing.T) {
	t.Parallel()
	r := newRegistry(t)
	homes := map[string]string{
		"registry": javaHome(t, "JKS", r.root.Cert), "stranger": javaHome(t, "PKCS12", r.stranger.Cert),
	}
	faults := javaFaults(t, r, homes)
	var lines []string
	for i := range faults {
		f := &faults[i]
		if f.host == "" {
			f.host = "localhost"
		}
		if f.home == "" {
			f.home = homes["registry"]
		}
		if f.roots == nil {
			f.roots = r.roots
		}
		lines = append(lines, fmt.Sprintf("%s\t%s\t%d\t%s", f.name, f.host, f.port, cacerts(f.home)))
	}
	said := askRealJava(t, lines)
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			target := localTarget(f.port, f.roots)
			target.ServerName, target.Java = f.host, watching(f.home)
			result := TLS(target)(withTimeout(t, 2*time.Second))
			if result.Cause != f.ours || !strings.Contains(result.Detail, f.words) {
				t.Errorf("we say %q: %s; want %q: …%s…", result.Cause, result.Detail, f.ours, f.words)
			}
			complaint, known := jvm.Sentence(said[f.name])
			connected := said[f.name] == "ok"
			if connected != (f.java == "") || !connected && !known || complaint != f.java {
				t.Errorf("Java complains of %q: %s; want %q", complaint, said[f.name], f.java)
			}
			evidence, ok := result.Evidence.(*TLSEvidence)
			if ok && evidence.Java != nil && evidence.Java.Judged && evidence.Java.Sentence != "" &&
				!strings.Contains(said[f.name], evidence.Java.Sentence) {
				t.Errorf("we say that Java says %q; it says %s", evidence.Java.Sentence, said[f.name])
			}
		})
	}
}

func javaFaults(t *testing.T, r registry, homes map[string]string) []javaFault {
	t.Helper()
	chain := []*paper{r.leaf(t), r.intermediate}
	stale := sign(t, newKey(t), r.root, asAuthority("Stale Intermediate"), lasting(-400*oneDay, -oneDay))
	old := sign(t, newKey(t), nil, asAuthority("Old Root"), lasting(-400*oneDay, -oneDay))
	rsaRoot := sign(t, newRSAKey(t, 2048), nil, asAuthority("RSA Root"))
	foreign := sign(t, newKey(t), r.stranger)
	sha1 := func(c *x509.Certificate) { c.SignatureAlgorithm = x509.SHA1WithRSA }
	usage := func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }
	chains := map[string][]*paper{
		"well": chain, "expired": {r.leaf(t, lasting(-90*oneDay, -3*oneDay)), r.intermediate},
		"not yet valid": {r.leaf(t, lasting(oneDay, 90*oneDay)), r.intermediate},
		"wrong name":    {r.leaf(t, named("elsewhere.test")), r.intermediate},
		"no name":       {r.leaf(t, named(), withoutAddresses), r.intermediate},
		"address":       {r.leaf(t, withoutAddresses), r.intermediate},
		"wrong address": {r.leaf(t, func(c *x509.Certificate) { c.IPAddresses = c.IPAddresses[1:] }), r.intermediate},
		"unknown":       {foreign}, "self-signed": {sign(t, newKey(t), nil)}, "missing": {r.leaf(t)},
		"stale": {sign(t, newKey(t), stale), stale}, "old root": {sign(t, newKey(t), old)},
		"weak key": {sign(t, newRSAKey(t, 1024), r.intermediate), r.intermediate},
		"SHA-1":    {sign(t, newRSAKey(t, 2048), rsaRoot, sha1)}, "usage": {r.leaf(t, usage), r.intermediate},
	}
	ports := startNginx(t, chains, nil)
	both := tlsprobe.NewRoots(r.root.Cert, r.stranger.Cert)
	rsaHome, oldHome := javaHome(t, "JKS", rsaRoot.Cert), javaHome(t, "JKS", old.Cert)
	rsaTrust := tlsprobe.NewRoots(rsaRoot.Cert)
	sealed := javaHome(t, "PKCS12")
	keytool(t, "-importkeystore", "-noprompt", "-srckeystore", cacerts(homes["registry"]), "-srcstorepass", "changeit",
		"-destkeystore", cacerts(sealed), "-deststoretype", "PKCS12", "-deststorepass", "geheim-1")
	md5 := signMD5(t, rsaRoot)
	old11 := []string{"-tls1_1", "-cipher", "ALL:@SECLEVEL=0"}
	return []javaFault{
		{name: "well", port: ports["well"]},
		{name: "expired", port: ports["expired"], ours: check.CertExpired, java: jvm.ComplainsOfExpiry},
		{name: "not yet valid", port: ports["not yet valid"], ours: check.CertNotYetValid, java: jvm.ComplainsOfEarly},
		{name: "wrong name", port: ports["wrong name"], ours: check.CertNameMismatch, java: jvm.ComplainsOfName},
		{name: "common name", port: ports["no name"], ours: check.CertNameMismatch, words: "still takes it"},
		{name: "address", port: ports["address"], host: "127.0.0.1", ours: check.CertNameMismatch,
			java: jvm.ComplainsOfName},
		{name: "wrong address", port: ports["wrong address"], host: "127.0.0.1", ours: check.CertNameMismatch,
			java: jvm.ComplainsOfName},
		{name: "right address", port: ports["well"], host: "127.0.0.1"},
		{name: "unknown", port: ports["unknown"], ours: check.CertUnknownAuthority, java: jvm.ComplainsOfAuthority},
		{name: "self-signed", port: ports["self-signed"], ours: check.CertSelfSigned, java: jvm.ComplainsOfAuthority},
		{name: "missing", port: ports["missing"], ours: check.CertIncompleteChain, java: jvm.ComplainsOfAuthority},
		{name: "stale", port: ports["stale"], ours: check.CertChainExpired, java: jvm.ComplainsOfExpiry},
		{name: "usage", port: ports["usage"], ours: check.CertUsage, java: jvm.ComplainsOfUsage},
		{name: "MD5", port: md5, home: rsaHome, roots: rsaTrust, ours: check.CertWeakSignature,
			java: jvm.ComplainsOfAlgorithm},

		// The two disagree about the store, and that is the headline.
		{name: "lacking", port: ports["well"], home: homes["stranger"], ours: check.CertJavaUntrusted,
			java: jvm.ComplainsOfAuthority, words: `the authority "CN=Test Root" is trusted here, but is not in`},
		{name: "lacking both ways", port: ports["unknown"], roots: both, ours: check.CertJavaUntrusted,
			java: jvm.ComplainsOfAuthority, words: `"CN=Stranger Root"`},
		{name: "only Java", port: ports["unknown"], home: homes["stranger"], ours: check.CertJavaOnly,
			words: "the service would connect"},
		{name: "sealed", port: ports["well"], home: sealed, ours: check.CertJavaUntrusted, java: jvm.ComplainsOfAuthority,
			words: "it trusts no authority at all"},

		// Java takes what we refuse, by design, and the words say so. It does not look at the dates of an authority.
		{name: "old root", port: ports["old root"], home: oldHome, roots: tlsprobe.NewRoots(old.Cert),
			ours: check.CertJavaOnly, words: "the service would connect"},
		{name: "weak key", port: ports["weak key"], ours: check.CertWeakKey, words: "still takes it"},
		{name: "SHA-1", port: ports["SHA-1"], home: rsaHome, roots: rsaTrust, ours: check.CertWeakSignature,
			words: "still takes it"},

		{name: "TLS 1.1", port: startOpenSSL(t, chain, old11...), ours: check.TLSLegacy, java: jvm.ComplainsOfVersion},
		{name: "suite", port: startOpenSSL(t, chain, "-tls1_2", "-cipher", "ECDHE-ECDSA-CAMELLIA128-SHA256"),
			ours: check.TLSCipher, java: jvm.ComplainsOfCipher},
		{name: "client certificate", port: startOpenSSL(t, chain, "-tls1_3", "-Verify", "1"),
			ours: check.TLSClientCertificate, java: jvm.ComplainsOfClient},
		{name: "plaintext", port: startTCP(t, say("220 mail.test ESMTP\r\n")), ours: check.TLSNotTLS,
			java: jvm.ComplainsOfNotTLS},
		{name: "closed", port: startTCP(t, takeHello), ours: check.TLSClosed, java: jvm.ComplainsOfClosed},
		{name: "alert", port: startTCP(t, internalError), ours: check.TLSAlert, java: jvm.ComplainsOfAlert},
		{name: "reset", port: startTCP(t, func(c *net.TCPConn) { takeHello(c); resetNow(c) }), ours: check.TLSReset,
			java: jvm.ComplainsOfReset},
		{name: "silence", port: startTCP(t, untilClosed), ours: check.TLSTimeout, java: jvm.ComplainsOfSlowness},
		{name: "refused", port: uint16(freePort(t)), ours: check.ConnectRefused, java: jvm.ComplainsOfRefused},
	}
}

func named(names ...string) change { return func(c *x509.Certificate) { c.DNSNames = names } }

func withoutAddresses(c *x509.Certificate) { c.IPAddresses = nil }

// signMD5 serves a certificate that is signed with MD5, which only openssl still does.
func signMD5(t *testing.T, root *paper) uint16 {
	t.Helper()
	openssl, folder := needProgram(t, "openssl"), t.TempDir()
	in := func(name string) string { return filepath.Join(folder, name) }
	cert, key := files(t, root)
	writeFile(t, in("ext"), "subjectAltName=DNS:localhost\n")
	for _, args := range [][]string{
		{"req", "-newkey", "rsa:2048", "-nodes", "-keyout", in("key"), "-out", in("csr"), "-subj", "/CN=localhost"},
		{"x509", "-req", "-md5", "-in", in("csr"), "-CA", cert, "-CAkey", key, "-CAcreateserial", "-CAserial", in("serial"),
			"-days", "30", "-out", in("crt"), "-extfile", in("ext")},
	} {
		if out, err := exec.CommandContext(t.Context(), openssl, args...).CombinedOutput(); err != nil {
			t.Fatalf("openssl %q: %v: %s", args, err, out)
		}
	}
	pair, err := tls.LoadX509KeyPair(in("crt"), in("key"))
	if err != nil {
		t.Fatal(err)
	}
	// OpenSSL 3 does not serve it either, so crypto/tls must.
	return startTCP(t, func(c *net.TCPConn) {
		server := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{pair}})
		if server.Handshake() == nil {
			_, _ = server.Read(make([]byte, 1))
		}
	})
}
