package kernel

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/firewall"
)

// withTimedSets is a ruleset with two sets to learn into.
func withTimedSets(t testing.TB) firewall.Ruleset {
	t.Helper()
	r := compile(t, hostPolicy())
	r.Sets = append(r.Sets,
		firewall.Set{Name: "timed4", Key: []firewall.KeyType{firewall.IPv4Addr}, Timed: true, Size: 1024},
		firewall.Set{Name: "timed6", Key: []firewall.KeyType{firewall.IPv6Addr}, Timed: true, Size: 1024})
	return r
}

func lesson(set, addr string, timeout time.Duration) Learned {
	return Learned{Set: set, Addr: netip.MustParseAddr(addr), Timeout: timeout}
}

// heldHere is what the timed sets hold, with the time left rounded up to seconds.
func heldHere(t *testing.T) []string {
	t.Helper()
	var held []string
	for _, l := range dumpHere(t).Learned() {
		held = append(held, fmt.Sprintf("%s %s %s", l.Set, l.Addr, (l.Timeout+time.Second-1).Truncate(time.Second)))
	}
	slices.Sort(held)
	return held
}

// TestLearn holds that addresses come, stay, get a new time and go, as nft sees it too, and that it is no drift.
func TestLearn(t *testing.T) {
	newNamespace(t)
	c := open4Test(t)
	rules := withTimedSets(t)
	if err := c.Apply(t.Context(), rules); err != nil {
		t.Fatal(err)
	}
	empty := dumpHere(t)
	for _, step := range []struct {
		learned []Learned
		want    []string
	}{
		{nil, nil},
		{[]Learned{lesson("timed4", "192.0.2.1", time.Minute), lesson("timed6", "2001:db8::1", time.Hour)},
			[]string{"timed4 192.0.2.1 1m0s", "timed6 2001:db8::1 1h0m0s"}},
		{[]Learned{lesson("timed4", "192.0.2.1", time.Hour), lesson("timed4", "192.0.2.2", 30*time.Second)},
			[]string{"timed4 192.0.2.1 1h0m0s", "timed4 192.0.2.2 30s", "timed6 2001:db8::1 1h0m0s"}},
		{[]Learned{lesson("timed4", "192.0.2.1", time.Minute)},
			[]string{"timed4 192.0.2.1 1m0s", "timed4 192.0.2.2 30s", "timed6 2001:db8::1 1h0m0s"}},
		{[]Learned{lesson("timed4", "192.0.2.2", 0), lesson("timed6", "2001:db8::9", 0)},
			[]string{"timed4 192.0.2.1 1m0s", "timed6 2001:db8::1 1h0m0s"}},
	} {
		if err := c.Learn(t.Context(), step.learned); err != nil {
			t.Fatalf("learn %v: %v", step.learned, err)
		}
		if got := heldHere(t); !slices.Equal(got, step.want) {
			t.Errorf("after %v: %q, want %q", step.learned, got, step.want)
		}
	}
	if list := runNft(t, "", "list", "set", "inet", "sallyport", "timed4"); !strings.Contains(list, "192.0.2.1 timeout 1m") {
		t.Errorf("nft says %s", list)
	}
	if got := dumpHere(t); !got.Equal(empty) || !firewall.Diff(rules, got.Ruleset()).Empty() {
		t.Errorf("to learn is a drift: %s", differingLines(got, empty))
	}
	if err := c.Learn(t.Context(), []Learned{lesson("nowhere", "192.0.2.1", time.Minute)}); !errors.Is(err, unix.ENOENT) {
		t.Errorf("into a set that is not there: %v", err)
	}
}

// TestLearnExpires holds that what is learned goes by itself, and that learning goes on while elements expire.
func TestLearnExpires(t *testing.T) {
	newNamespace(t)
	c := open4Test(t)
	if err := c.Apply(t.Context(), withTimedSets(t)); err != nil {
		t.Fatal(err)
	}
	const life = 5 * time.Millisecond
	for range 100 {
		if err := c.Learn(t.Context(), []Learned{lesson("timed4", "192.0.2.1", life)}); err != nil {
			t.Fatal(err)
		}
	}
	for until := time.Now().Add(2 * time.Second); len(heldHere(t)) > 0; {
		if time.Now().After(until) {
			t.Fatalf("after %s: %q", life, heldHere(t))
		}
	}
}

// TestLearnMany holds that a full set is learned at once, and that one more is refused as a whole.
func TestLearnMany(t *testing.T) {
	newNamespace(t)
	c := open4Test(t)
	if err := c.Apply(t.Context(), withTimedSets(t)); err != nil {
		t.Fatal(err)
	}
	var all []Learned
	for i := range 1024 {
		all = append(all, lesson("timed4", fmt.Sprintf("192.0.%d.%d", i>>8, i&0xff), time.Hour))
	}
	began := time.Now()
	for range 3 {
		if err := c.Learn(t.Context(), all); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("1,024 addresses are learned in %s", time.Since(began)/3)
	if got := len(dumpHere(t).Learned()); got != 1024 {
		t.Errorf("%d addresses are held", got)
	}
	if err := c.Learn(t.Context(), []Learned{lesson("timed4", "198.51.100.1", time.Hour)}); !errors.Is(err, unix.ENFILE) {
		t.Errorf("one more: %v, want ENFILE", err)
	}
}

// TestApplyKeepsWhatWasLearned holds that a ruleset that is written again leaves what was learned, unless it brings its own
// or somebody put something there to stay.
func TestApplyKeepsWhatWasLearned(t *testing.T) {
	newNamespace(t)
	c := open4Test(t)
	rules := withTimedSets(t)
	apply := func(r firewall.Ruleset, want ...string) {
		t.Helper()
		if err := c.Apply(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		if got := heldHere(t); !slices.Equal(got, want) {
			t.Errorf("held after it: %q, want %q", got, want)
		}
	}
	apply(rules)
	if err := c.Learn(t.Context(), []Learned{lesson("timed4", "192.0.2.1", time.Hour)}); err != nil {
		t.Fatal(err)
	}
	runNft(t, "flush chain inet sallyport inbound", "-f", "-")
	apply(rules, "timed4 192.0.2.1 1h0m0s")
	brings := withTimedSets(t)
	own := netip.MustParseAddr("192.0.2.7")
	brings.Sets[len(brings.Sets)-2].Elements = []firewall.Element{
		{Key: []firewall.Value{firewall.Addrs{From: own, To: own}}, Timeout: time.Minute},
	}
	apply(brings, "timed4 192.0.2.7 1m0s")
	runNft(t, "add element inet sallyport timed4 { 198.51.100.1 }", "-f", "-")
	apply(rules)
}
