package integration_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"sallyport/tlsprobe/jvm"
)

// leastAuthorities is how many a trust store must have to stand for that of a Java as it is shipped.
const leastAuthorities = 100

// javaHome is a Java home with the rules and the trust store of the installed one, and in that the servers' authority as
// well, imported as an operator would do it.
func (s servers) javaHome(b *testing.B) string {
	b.Helper()
	available(b, "keytool")
	keytool, err := exec.LookPath("keytool")
	if err == nil {
		keytool, err = filepath.EvalSymlinks(keytool)
	}
	if err != nil {
		b.Fatal(err)
	}
	home := filepath.Join(s.dir, "java")
	const store = "lib/security/cacerts"
	for _, file := range []string{"release", "conf/security/java.security", store} {
		content, err := os.ReadFile(filepath.Join(filepath.Dir(filepath.Dir(keytool)), file))
		if err != nil {
			b.Fatal(err)
		}
		to := filepath.Join(home, file)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(to, content, 0o600); err != nil {
			b.Fatal(err)
		}
	}
	out, err := exec.CommandContext(b.Context(), keytool, "-importcert", "-noprompt", "-alias", "lab",
		"-storepass", "changeit", "-keystore", filepath.Join(home, store), "-file", filepath.Join(s.dir, "roots.pem"),
	).CombinedOutput()
	if err != nil {
		b.Fatalf("keytool: %v: %s", err, out)
	}
	return home
}

// java watches that Java, as checks do where the configuration has a service.
func (s servers) java(b *testing.B) *jvm.Watch {
	b.Helper()
	watch := jvm.NewWatch(jvm.Service{Java: s.javaHome(b)}, nil, nil)
	trust, err := watch.Trust(time.Now())
	if err != nil {
		b.Fatal(err)
	}
	if trust.Count < leastAuthorities {
		b.Fatalf("only %d authorities in %s: a real store is larger", trust.Count, trust.Store.Path)
	}
	return watch
}
