package kernel

import (
	"regexp"
	"testing"

	"sallyport/firewall"
)

// TestApplyChangesSets holds that a large set is changed element by element where little of it is another, replaced where
// most is, and left alone where nothing is, and that it comes out as a fresh apply makes it, each time.
func TestApplyChangesSets(t *testing.T) {
	const cidrs = 8000 // 6000 hosts, 2000 networks
	first := wide(2 * cidrs)
	from := first.Management[0].From
	policy := func(low, high int, more ...string) firewall.Policy {
		e := first.Management[0]
		e.From = append(prefixes(more...), from[low:high]...)
		return firewall.Policy{Management: []firewall.Exception{e}}
	}
	newNamespace(t)
	c := open4Test(t)
	handles := ""
	for _, step := range []struct {
		name             string
		policy           firewall.Policy
		hosts, intervals bool // whether the set stays the one it is
	}{
		{"nothing was there", policy(0, cidrs), false, false},
		{"nothing changes", policy(0, cidrs), true, true},
		{"one host more, one network more", policy(0, cidrs, "10.250.0.1/32", "2001:db8:ffff::/64"), true, false},
		{"some go", policy(400, cidrs), true, false},
		{"the half goes", policy(cidrs/2+400, cidrs), false, false},
		{"all others", policy(cidrs, 2*cidrs), false, false},
		{"few", policy(0, 200), false, false},
	} {
		rules := compile(t, step.policy)
		if err := c.Apply(t.Context(), rules); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if want := goldenOf(t, rules); !dumpHere(t).Equal(want) {
			t.Errorf("%s: the dump is not that of a fresh apply", step.name)
		}
		before := handles
		handles = runNft(t, "", "-a", "-t", "list", "table", "inet", firewall.Table)
		for set, kept := range map[string]bool{"in_wide_hosts4": step.hosts, "in_wide_6": step.intervals} {
			handle := regexp.MustCompile(`set ` + set + ` \{ # handle \d+`)
			if old := handle.FindString(before); old != "" && (old == handle.FindString(handles)) != kept {
				t.Errorf("%s: the set %s stayed: %t, want %t", step.name, set, !kept, kept)
			}
		}
	}
}

// TestApplyPutsBackElements holds that what others do to single elements of a large set of hosts is undone: one too many,
// one too few, and one with a comment.
func TestApplyPutsBackElements(t *testing.T) {
	newNamespace(t)
	c := open4Test(t)
	rules := compile(t, wide(3000))
	if err := c.Apply(t.Context(), rules); err != nil {
		t.Fatal(err)
	}
	want := dumpHere(t)
	const set = " element inet sallyport in_wide_hosts4 "
	for _, change := range []string{
		"add" + set + "{ 192.0.2.1 }", "delete" + set + "{ 10.0.0.0 }",
		"delete" + set + "{ 10.0.0.0 }; add" + set + `{ 10.0.0.0 comment "x" }`,
	} {
		runNft(t, change+"\n", "-f", "-")
		if dumpHere(t).Equal(want) {
			t.Errorf("%s: does not show", change)
		}
		if err := c.Apply(t.Context(), rules); err != nil {
			t.Fatalf("%s: %v", change, err)
		}
		if !dumpHere(t).Equal(want) {
			t.Errorf("%s: was not undone", change)
		}
	}
}
