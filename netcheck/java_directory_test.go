package netcheck

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sallyport/check"
	"sallyport/tlsprobe"
	"sallyport/tlsprobe/jvm"
)

// javaService is a real Java that binds to directories, in a folder of its own, by which it is found as a service's is.
type javaService struct {
	watch *jvm.Watch
	tell  io.WriteCloser
	hear  *bufio.Reader
}

// startJavaService starts one that trusts the authorities of a store, with more flags.
func startJavaService(t *testing.T, classes, store string, flags ...string) javaService {
	t.Helper()
	folder := t.TempDir()
	copyFile(t, store, filepath.Join(folder, "trusted"))
	args := append([]string{"-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", classes,
		"-D" + jvm.PropertyTrustStore + "=" + filepath.Join(folder, "trusted")}, flags...)
	cmd := exec.CommandContext(t.Context(), needProgram(t, "java"), append(args, "Directory")...)
	tell, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	hear, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tell.Close(); _ = cmd.Wait() })
	service := jvm.Service{Executable: filepath.Join(folder, "service")}
	return javaService{watch: jvm.NewWatch(service, nil, nil), tell: tell, hear: bufio.NewReader(hear)}
}

// ready waits until it runs: not before then is it what a watch may find.
func (s javaService) ready(t *testing.T) {
	t.Helper()
	if line, err := s.hear.ReadString('\n'); err != nil || line != "ready\n" {
		t.Fatalf("Java says %q, %v", line, err)
	}
}

// ask has it make connections: ok, or what it says, for each.
func (s javaService) ask(t *testing.T, lines []string) map[string]string {
	t.Helper()
	if _, err := io.WriteString(s.tell, strings.Join(lines, "\n")+"\n"); err != nil {
		t.Fatal(err)
	}
	_ = s.tell.Close()
	said := map[string]string{}
	for {
		line, err := s.hear.ReadString('\n')
		if err != nil {
			return said
		}
		label, words, _ := strings.Cut(strings.TrimSpace(line), "\t")
		said[label] = words
	}
}

// directoryFault is one directory, and what we and the real Java make of it.
type directoryFault struct {
	name     string
	server   *slapd
	startTLS bool
	password string          // pw unless set
	roots    *tlsprobe.Roots // ours: the registry's root unless set
	ours     check.Cause     // empty: all is well
	java     jvm.Complaint   // empty: Java binds
	words    string          // that the detail must have
}

// directory is a certificate for a directory.
func (r registry) directory(t *testing.T, by *paper, changes ...change) directoryPKI {
	t.Helper()
	pki := directoryPKI{roots: r.roots, authority: by}
	pki.caFile, _ = files(t, by)
	pki.certFile, pki.keyFile = files(t, sign(t, newKey(t), by, changes...))
	return pki
}

// TestJavaAgreesOfDirectories has a real Java bind by JNDI, over ldaps and with StartTLS, while its process is found and
// its trust store and flags are read. One is told not to compare names, and does not over ldaps: our check does.
func TestJavaAgreesOfDirectories(t *testing.T) {
	t.Parallel()
	r := newRegistry(t)
	store, classes := cacerts(javaHome(t, "JKS", r.root.Cert)), t.TempDir()
	javac := exec.CommandContext(t.Context(), needProgram(t, "javac"), "-J-XX:TieredStopAtLevel=1", "-J-XX:+UseSerialGC",
		"-proc:none", "-d", classes, "testdata/java/Directory.java")
	if out, err := javac.CombinedOutput(); err != nil {
		t.Fatalf("javac: %v: %s", err, out)
	}
	strict := startJavaService(t, classes, store)
	lax := startJavaService(t, classes, store, "-D"+jvm.PropertyNoLDAPSNames+"=true")
	loopback := []string{"127.0.0.1"}
	well := r.directory(t, r.root).startSlapd(t, loopback, "")
	elsewhere := r.directory(t, r.root, named("elsewhere.test")).startSlapd(t, loopback, "")
	foreign := r.directory(t, r.stranger).startSlapd(t, loopback, "")
	expired := r.directory(t, r.root, lasting(-90*oneDay, -3*oneDay)).startSlapd(t, loopback, "")
	both := tlsprobe.NewRoots(r.root.Cert, r.stranger.Cert)
	strict.agrees(t, []directoryFault{
		{name: "well", server: well},
		{name: "StartTLS", server: well, startTLS: true},
		{name: "password", server: well, password: "guess", ours: check.LDAPInvalidCredentials,
			java: jvm.ComplainsOfBind},
		{name: "wrong name", server: elsewhere, ours: check.CertNameMismatch, java: jvm.ComplainsOfName},
		{name: "wrong name, StartTLS", server: elsewhere, startTLS: true, ours: check.CertNameMismatch,
			java: jvm.ComplainsOfName},
		{name: "lacking", server: foreign, roots: both, ours: check.CertJavaUntrusted, java: jvm.ComplainsOfAuthority,
			words: `the authority "CN=Stranger Root" is trusted here, but is not in`},
		{name: "lacking, StartTLS", server: foreign, startTLS: true, roots: both, ours: check.CertJavaUntrusted,
			java: jvm.ComplainsOfAuthority, words: "-Djavax.net.ssl.trustStore"},
		{name: "expired", server: expired, ours: check.CertExpired, java: jvm.ComplainsOfExpiry},
	})
	lax.agrees(t, []directoryFault{
		{name: "lax: well", server: well},
		{name: "lax: wrong name", server: elsewhere, ours: check.CertNameMismatch,
			words: "still connects: it compares no names over ldaps (-D" + jvm.PropertyNoLDAPSNames + ")"},
		{name: "lax: wrong name, StartTLS", server: elsewhere, startTLS: true, ours: check.CertNameMismatch,
			java: jvm.ComplainsOfName},
		{name: "lax: expired", server: expired, ours: check.CertExpired, java: jvm.ComplainsOfExpiry},
	})
}

// agrees runs our checks while the Java runs, then lets it make the same connections, and compares.
func (s javaService) agrees(t *testing.T, faults []directoryFault) {
	t.Helper()
	s.ready(t)
	var lines []string
	results := make([]check.Result, len(faults))
	for i, f := range faults {
		target := f.target(t)
		target.Java = s.watch
		results[i] = LDAPS(target)(withTimeout(t, 5*time.Second))
		lines = append(lines, f.line(target))
	}
	said := s.ask(t, lines)
	for i, f := range faults {
		f.compare(t, results[i], said[f.name])
	}
}

// target is our check of the directory.
func (f directoryFault) target(t *testing.T) LDAPSTarget {
	t.Helper()
	target := f.server.target(t, "cn=reader,dc=test")
	target.ServerName, target.StartTLS = "localhost", f.startTLS
	target.PasswordFile = secretFile(t, cmp.Or(f.password, "pw"))
	if f.startTLS {
		target.Port = f.server.plain
	}
	if f.roots != nil {
		target.Roots = f.roots
	}
	return target
}

// line is the same for the Java.
func (f directoryFault) line(target LDAPSTarget) string {
	scheme, operation := "ldaps", ""
	if f.startTLS {
		scheme, operation = "ldap", "starttls"
	}
	url := fmt.Sprintf("%s://localhost:%d/dc=test", scheme, target.Port)
	return strings.Join([]string{f.name, url, operation, target.BindDN, cmp.Or(f.password, "pw")}, "\t")
}

func (f directoryFault) compare(t *testing.T, result check.Result, said string) {
	t.Helper()
	if result.Cause != f.ours || !strings.Contains(result.Detail, f.words) {
		t.Errorf("%s: we say %q: %s; want %q: …%s…", f.name, result.Cause, result.Detail, f.ours, f.words)
	}
	if strings.Contains(result.Detail, "compares no names") != strings.Contains(f.words, "compares no names") {
		t.Errorf("%s: %s", f.name, result.Detail)
	}
	complaint, known := jvm.Sentence(said)
	if connected := said == "ok"; connected != (f.java == "") || !connected && !known || complaint != f.java {
		t.Errorf("%s: Java complains of %q: %s; want %q", f.name, complaint, said, f.java)
	}
	evidence, ok := result.Evidence.(LDAPSEvidence)
	if !ok || evidence.TLS == nil || evidence.TLS.Java == nil {
		t.Fatalf("%s: evidence %+v", f.name, result.Evidence)
	}
	java := evidence.TLS.Java
	if !strings.HasPrefix(java.Found, "as the running process ") || java.Authorities != 1 {
		t.Errorf("%s: Java %+v", f.name, java)
	}
	if told := strings.Contains(fmt.Sprint(java.Notes), jvm.PropertyNoLDAPSNames); told != strings.HasPrefix(f.name, "lax") {
		t.Errorf("%s: notes %q", f.name, java.Notes)
	}
}
