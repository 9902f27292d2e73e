package kernel

import (
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/pmezard/go-difflib/difflib"
	"golang.org/x/sys/unix"
)

// newNamespace puts the test into a fresh network namespace. The thread is never unlocked: the runtime ends it with the
// test's goroutine, and the namespace with it.
func newNamespace(t testing.TB) {
	t.Helper()
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		unprepared(t, "a network namespace: %v", err)
	}
}

// unprepared ends a test that needs what is not there: as a failure where everything is meant to be there.
func unprepared(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("SALLYPORT_TEST_FULL") == "1" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// runNft runs the program nft in the namespace of the test's thread.
func runNft(t testing.TB, stdin string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath("nft")
	if err != nil {
		unprepared(t, "the program nft: %v", err)
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("nft %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func open4Test(t testing.TB) *Conn {
	t.Helper()
	c, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func dumpHere(t testing.TB) Dump {
	t.Helper()
	d, err := open4Test(t).Dump(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// differingLines is where two dumps differ.
func differingLines(a, b Dump) string {
	text, err := difflib.GetUnifiedDiffString(difflib.UnifiedDiff{
		A: difflib.SplitLines(a.String()), B: difflib.SplitLines(b.String()),
	})
	if err != nil {
		return err.Error()
	}
	return text
}
