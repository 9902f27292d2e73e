package kernel

import (
	"os"
	"testing"
)

func hostRuleset(t testing.TB) string {
	t.Helper()
	b, err := os.ReadFile("testdata/host.nft")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
