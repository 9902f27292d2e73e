package kerneltest

import (
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// NewNamespace puts the test into a fresh network namespace. The thread is never unlocked: the runtime ends it with the
// test's goroutine, and the namespace with it.
func NewNamespace(t testing.TB) {
	t.Helper()
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		Unprepared(t, "a network namespace: %v", err)
	}
}

// Unprepared ends a test that needs what is not there: as a failure where everything is meant to be there.
func Unprepared(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("SALLYPORT_TEST_FULL") == "1" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}
