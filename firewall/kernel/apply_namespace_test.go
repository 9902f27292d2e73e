package kernel

import (
	"sallyport/firewall/internal/kerneltest"
	"testing"

	"github.com/pmezard/go-difflib/difflib"
)

func newNamespace(t testing.TB) { t.Helper(); kerneltest.NewNamespace(t) }

func unprepared(t testing.TB, format string, args ...any) {
	t.Helper()
	kerneltest.Unprepared(t, format, args...)
}

func runNft(t testing.TB, stdin string, args ...string) string {
	t.Helper()
	return kerneltest.Nft(t, stdin, args...)
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
