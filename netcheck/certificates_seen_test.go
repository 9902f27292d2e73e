package netcheck

import (
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport/netcheck/memory"
)

// TestCertificatesSeenAcrossRestarts has each look by a process of its own, with the state folder of the one before.
func TestCertificatesSeenAcrossRestarts(t *testing.T) {
	t.Parallel()
	folder := memory.Folder{State: t.TempDir()}
	now := time.Now()
	look := func(name, sha256 string) string {
		c := &changes{name: name, kept: KeepSeen(folder)}
		return c.news([]SeenCertificate{{SHA256: sha256, Pin: "pin " + sha256, Serial: "serial " + sha256}}, now).String()
	}
	for _, tt := range []struct {
		check, shown string
		news         bool
	}{
		{"web/a", "one", false}, // the first that it ever sees
		{"web/a", "one", false},
		{"web/b", "two", false}, // another check's
		{"web/a", "two", true},
		{"web/a", "one", false}, // both are known
	} {
		if got := look(tt.check, tt.shown); (got != "") != tt.news || tt.news && !strings.Contains(got, "serial two") {
			t.Errorf("%s shows %s: %q; want news %t", tt.check, tt.shown, got, tt.news)
		}
	}
	kept, err := KeepSeen(folder).Last("web/a")
	isOne := func(s SeenCertificate) bool { return s.SHA256 == "one" }
	if err != nil || !slices.ContainsFunc(kept, isOne) || len(kept) != 2 {
		t.Errorf("kept %+v, %v", kept, err)
	}
}
