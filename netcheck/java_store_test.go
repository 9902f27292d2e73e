package netcheck

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sallyport/check"
	"sallyport/netcheck/memory"
	"sallyport/tlsprobe"
	"sallyport/tlsprobe/jvm"
)

// TestJavaRemedyMends runs the line of the remedy, as a shell does, and the check is well: with an authority that lies in
// a file of its own, and with one that does not; at paths that need quoting.
func TestJavaRemedyMends(t *testing.T) {
	t.Parallel()
	r := newRegistry(t)
	chain := []*paper{r.leaf(t), r.intermediate}
	port := startNginx(t, map[string][]*paper{"well": chain}, nil)["well"]
	file, _ := files(t, r.root)
	folder := filepath.Join(t.TempDir(), "it's a $(folder)")
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	alone := filepath.Join(folder, "root.pem")
	copyFile(t, file, alone)
	fromFile, err := tlsprobe.LoadRoots([]string{alone})
	if err != nil {
		t.Fatal(err)
	}
	for name, roots := range map[string]*tlsprobe.Roots{"a file": fromFile, "no file": r.roots} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			home := filepath.Join(t.TempDir(), "java's home")
			if err := os.Rename(javaHome(t, "JKS", r.stranger.Cert), home); err != nil {
				t.Fatal(err)
			}
			target := localTarget(port, roots)
			target.Java = watching(home)
			result := TLS(target)(withTimeout(t, 5*time.Second))
			_, line, found := strings.Cut(result.Remedy, "anew: ")
			if result.Cause != check.CertJavaUntrusted || !found || strings.Contains(line, alone) {
				t.Fatalf("%s: %s %s", result.Cause, result.Detail, result.Remedy)
			}
			if fromAFile := strings.Contains(line, " -file "); fromAFile != (name == "a file") {
				t.Errorf("remedy %s", line)
			}
			if out, err := exec.CommandContext(t.Context(), "sh", "-c", line).CombinedOutput(); err != nil {
				t.Fatalf("%s: %v: %s", line, err, out)
			}
			mended := TLS(target)(withTimeout(t, 5*time.Second))
			if mended.Status != check.OK || !strings.Contains(mended.Detail, "was replaced (noted on ") {
				t.Errorf("%s %s: %s", mended.Status, mended.Cause, mended.Detail)
			}
		})
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, to, string(text))
}

// TestJavaStoreReplaced: an upgrade brings another store while nothing of ours runs; the headline says so, and the evidence
// which authorities vanished.
func TestJavaStoreReplaced(t *testing.T) {
	t.Parallel()
	r := newRegistry(t)
	chain := []*paper{r.leaf(t), r.intermediate}
	port := startNginx(t, map[string][]*paper{"well": chain}, nil)["well"]
	home, upgraded := javaHome(t, "JKS", r.root.Cert), javaHome(t, "PKCS12", r.stranger.Cert)
	target := localTarget(port, r.roots)
	service := jvm.Service{Java: home}
	stores := JavaStores{memory.Folder{State: t.TempDir()}}
	target.Java = jvm.NewWatch(service, nil, stores.Of(service))
	before := TLS(target)(withTimeout(t, 5*time.Second))
	if before.Status != check.OK || strings.Contains(before.Detail, "replaced") {
		t.Errorf("%s %s: %s", before.Status, before.Cause, before.Detail)
	}
	if err := os.Rename(cacerts(upgraded), cacerts(home)); err != nil {
		t.Fatal(err)
	}
	target.Java = jvm.NewWatch(service, nil, stores.Of(service))
	after := TLS(target)(withTimeout(t, 5*time.Second))
	for _, words := range []string{"was replaced (noted on ", `the authority "CN=Test Root" is no longer in it`,
		"1 of its authorities vanished, 1 came", "as trust.java says", cacerts(home), "PKIX path building failed"} {
		if !strings.Contains(after.Detail, words) {
			t.Errorf("%s: %s; want …%s…", after.Cause, after.Detail, words)
		}
	}
	evidence, ok := after.Evidence.(*TLSEvidence)
	if !ok || evidence.Java == nil || evidence.Java.Replaced == nil || len(evidence.Java.Replaced.Gone) != 1 {
		t.Fatalf("%+v", after.Evidence)
	}
	if gone := evidence.Java.Replaced.Gone[0]; gone != *evidence.Java.Missing || gone.SHA256 != sha256Of(r.root.Cert) {
		t.Errorf("gone %+v, missing %+v", gone, evidence.Java.Missing)
	}
	if _, err := json.Marshal(after); err != nil {
		t.Error(err)
	}
}

// TestJavaUnknown: a Java that is not found, or a store that cannot be read, fails no check, and is not hidden.
func TestJavaUnknown(t *testing.T) {
	t.Parallel()
	r := newRegistry(t)
	port := startNginx(t, map[string][]*paper{"well": {r.leaf(t), r.intermediate}}, nil)["well"]
	broken := javaHome(t, "JKS")
	writeFile(t, cacerts(broken), "no store")
	for home, words := range map[string]string{"/nonexistent": "correct trust.java", broken: "neither JKS nor PKCS #12"} {
		target := localTarget(port, r.roots)
		target.Java = watching(home)
		result := TLS(target)(withTimeout(t, 5*time.Second))
		if result.Status != check.OK || !strings.Contains(result.Detail, "not judged by the service's Java: ") ||
			!strings.Contains(result.Detail, words) {
			t.Errorf("%s %s: %s", result.Status, result.Cause, result.Detail)
		}
		if e, ok := result.Evidence.(*TLSEvidence); !ok || e.Java == nil || e.Java.Error == "" {
			t.Errorf("%+v", result.Evidence)
		}
	}
}

func TestShellWord(t *testing.T) {
	t.Parallel()
	sh := needProgram(t, "bash")
	for _, word := range []string{
		"", "/opt/jre", "it's", "$(id)", "a b;c", "-x", "tab\there", "\u202ebidi\x1b7", `back\slash'`,
	} {
		quoted := shellWord(word)
		out, err := exec.CommandContext(t.Context(), sh, "-c", "printf %s "+quoted).Output()
		if word == "-x" {
			out, err = exec.CommandContext(t.Context(), sh, "-c", "printf -- "+quoted).Output()
		}
		if err != nil || string(out) != word {
			t.Errorf("%q as %s is %q to a shell, %v", word, quoted, out, err)
		}
		if strings.ContainsFunc(quoted, func(c rune) bool { return c < ' ' || c > '~' }) {
			t.Errorf("%q is not fit to be shown", quoted)
		}
	}
}
