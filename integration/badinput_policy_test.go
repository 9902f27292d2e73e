package integration_test

import (
	"slices"
	"strings"
	"testing"

	"sallyport/integration/lab"
)

// TestPolicyThatExcludesEverybody holds that it is refused wherever it would be put in force, and taken where it is meant.
func TestPolicyThatExcludesEverybody(t *testing.T) {
	w := newBox(t, lab.Settings{})
	w.services()
	dir := w.folder("nobody", 0)
	admin := shut(dir, "10.77.0.20")
	w.must(0, "apply", "--now")
	bare := strings.Split(admin, "  management:")[0]
	for name, c := range map[string]struct{ policy, says string }{
		"no management":    {bare, "this firewall lets nobody in"},
		"management empty": {bare + "  management: []\n", "this firewall lets nobody in"},
		"no source":        {strings.Replace(admin, `["10.77.0.20"]`, "[]", 1), ":6:42: this list is empty"},
		"no port":          {strings.Replace(admin, "[22/tcp]", "[]", 1), ":6:26: this list is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			w := w
			w.t = t
			file := w.file(dir, "sallyport.yaml", c.policy)
			w.unchanged(name, func() {
				for _, command := range []string{"config check", "apply --now", "apply --dry-run", "plan", "verify", "run"} {
					got := w.run(nil, append(strings.Fields(command), "--config", file)...)
					refuses(t, got, "sallyport: "+file+":", c.says, "mend: ")
				}
			})
		})
	}
	if got, want := w.knocks(), both("admin tcp22"); !slices.Equal(got, want) {
		t.Errorf("after all these were refused, these get in: %v, want %v", got, want)
	}
	file := w.file(dir, "sallyport.yaml", bare+"  ping: false\n")
	for _, command := range []string{"config check", "apply --dry-run", "apply --now", "plan", "verify"} {
		got := w.run(nil, append(strings.Fields(command), "--no-management", "--config", file)...)
		if got.Code != 0 {
			t.Errorf("%s --no-management: %+v", command, got)
		}
	}
	if got := w.knocks(); len(got) > 0 {
		t.Errorf("what lets nobody in lets these in: %v", got)
	}
}
