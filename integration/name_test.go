package integration_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sallyport/integration/lab"
)

// TestThreadsAreNamed holds that every thread of the daemon's processes has the name of its role: the kernel names the one
// that changes a ruleset, and ps the first.
func TestThreadsAreNamed(t *testing.T) {
	w := newBox(t, lab.Settings{})
	w.daemon()
	w.await(lab.AllOK)
	for _, role := range []string{"guard", "probe"} {
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/comm", w.child(role)))
		if err != nil || len(threads) < 2 {
			t.Fatalf("%s has %d threads: %v", role, len(threads), err)
		}
		for _, thread := range threads {
			name, err := os.ReadFile(thread)
			if err == nil && strings.TrimSpace(string(name)) != "sallyport-"+role { // some have ended meanwhile
				t.Errorf("a thread of %s is called %q", role, name)
			}
		}
	}
}
