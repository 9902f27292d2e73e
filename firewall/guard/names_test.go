package guard

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport/firewall"
	"sallyport/firewall/kernel"
)

// cloud is a name that the policy of these tests has, and vault another with the same addresses.
const cloud, vault = "cloud.example", "vault.example"

func namesOf(t *testing.T) *names {
	t.Helper()
	n := &names{}
	n.expect(map[string]firewall.NameSets{
		cloud: {V4: []string{"web_4"}, V6: []string{"web_6"}},
		vault: {V4: []string{"web_4", "vault_4"}, V6: []string{"web_6", "vault_6"}},
	})
	return n
}

func answer(name string, ttl time.Duration, addrs ...string) Answer {
	a := Answer{Name: name}
	for _, addr := range addrs {
		a.Addresses = append(a.Addresses, Address{Addr: netip.MustParseAddr(addr), TTL: ttl})
	}
	return a
}

func nobodys(netip.Addr) bool { return false }

func everySet(string) bool { return true }

// taughtAt is what the kernel is told at a time, and notes it.
func (n *names) taughtAt(now time.Time) []string {
	due := n.due(n.wanted(everySet, now), now)
	n.wrote(due, now)
	told := []string{}
	for _, l := range due {
		told = append(told, fmt.Sprintf("%s %s %s", l.Set, l.Addr, l.Timeout))
	}
	return told
}

// TestNames follows the answers for names over time, and what the kernel is told of them.
func TestNames(t *testing.T) {
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	type step struct {
		after  time.Duration // since the start
		answer Answer
		want   []string
	}
	for name, steps := range map[string][]step{
		"an answer": {
			{0, answer(cloud, 5*time.Minute, "192.0.2.1", "2001:db8::1"),
				[]string{"web_4 192.0.2.1 1h5m0s", "web_6 2001:db8::1 1h5m0s"}},
		},
		"a short TTL counts as a minute, a long one as a day": {
			{0, answer(cloud, 0, "192.0.2.1"), []string{"web_4 192.0.2.1 1h1m0s"}},
			{0, answer(cloud, 1000*time.Hour, "192.0.2.2"), []string{"web_4 192.0.2.2 25h0m0s"}},
		},
		"the kernel is told again when a quarter of an hour is gone": {
			{0, answer(cloud, time.Minute, "192.0.2.1"), []string{"web_4 192.0.2.1 1h1m0s"}},
			{time.Minute, answer(cloud, time.Minute, "192.0.2.1"), []string{}},
			{15 * time.Minute, answer(cloud, time.Minute, "192.0.2.1"), []string{}},
			{16 * time.Minute, answer(cloud, time.Minute, "192.0.2.1"), []string{"web_4 192.0.2.1 1h1m0s"}},
		},
		"an old address stays beside a new one": {
			{0, answer(cloud, time.Minute, "192.0.2.1"), []string{"web_4 192.0.2.1 1h1m0s"}},
			{time.Minute, answer(cloud, time.Minute, "192.0.2.2"), []string{"web_4 192.0.2.2 1h1m0s"}},
			{50 * time.Minute, answer(cloud, time.Minute, "192.0.2.2"), []string{"web_4 192.0.2.2 1h1m0s"}},
			{2 * time.Hour, answer(cloud, time.Minute, "192.0.2.1"), []string{"web_4 192.0.2.1 1h1m0s"}},
		},
		"a shorter answer takes no time away": {
			{0, answer(cloud, time.Hour, "192.0.2.1"), []string{"web_4 192.0.2.1 2h0m0s"}},
			{time.Minute, answer(cloud, 0, "192.0.2.1"), []string{}},
		},
		"a name of two destinations, and two names of one": {
			{0, answer(vault, time.Minute, "192.0.2.1"), []string{"vault_4 192.0.2.1 1h1m0s", "web_4 192.0.2.1 1h1m0s"}},
			{0, answer(cloud, time.Hour, "192.0.2.1"), []string{"web_4 192.0.2.1 2h0m0s"}},
		},
		"a name that the policy has not": {
			{0, answer("evil.example", time.Hour, "192.0.2.66"), []string{}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			n := namesOf(t)
			for _, s := range steps {
				now := start.Add(s.after)
				if refused := n.learn(s.answer, nobodys, now); len(refused) > 0 {
					t.Errorf("refused: %v", refused)
				}
				if got := n.taughtAt(now); !slices.Equal(got, s.want) {
					t.Errorf("after %s the kernel is told %q, want %q", s.after, got, s.want)
				}
			}
		})
	}
}

// TestInside holds that an answer that points inside is refused, and said why.
func TestInside(t *testing.T) {
	own := netip.MustParseAddr("198.51.100.7")
	for addr, why := range map[string]string{
		"127.0.0.1": "loopback", "127.8.8.8": "loopback", "::1": "loopback", "::ffff:127.0.0.1": "loopback",
		"0.0.0.0": "unspecified", "::": "unspecified",
		"169.254.169.254": "metadata", "::ffff:169.254.169.254": "metadata", "fd00:ec2::254": "metadata",
		"fd20:ce::254": "metadata", "100.100.100.200": "metadata", "168.63.129.16": "metadata", "192.0.0.192": "metadata",
		"169.254.1.1": "link-local", "fe80::1": "link-local",
		"224.0.0.1": "many", "ff02::1": "many", "255.255.255.255": "many",
		"198.51.100.7": "of this host", "fe80::1%eth0": "no address",
		"10.0.0.1": "", "192.168.1.1": "", "fd77::1": "", "203.0.113.1": "", "2001:db8::1": "",
	} {
		n := namesOf(t)
		refused := n.learn(answer(cloud, time.Hour, addr), func(a netip.Addr) bool { return a == own }, time.Now())
		switch {
		case why == "" && (len(refused) > 0 || len(n.taughtAt(time.Now())) != 1):
			t.Errorf("%s is refused: %v", addr, refused)
		case why != "" && (len(refused) != 1 || !strings.Contains(refused[0].Why, why) || refused[0].Name != cloud):
			t.Errorf("%s: %v, want %q", addr, refused, why)
		case why != "" && len(n.taughtAt(time.Now())) > 0:
			t.Errorf("%s is told to the kernel all the same", addr)
		}
	}
}

// TestOwnFilesAreBelieved holds that what this host's own files say is let out, wherever it leads but to loopback.
func TestOwnFilesAreBelieved(t *testing.T) {
	a := answer(cloud, time.Hour, "169.254.169.254", "fe80::1", "10.0.0.53", "127.0.0.53")
	a.Own = true
	n := namesOf(t)
	if refused := n.learn(a, nobodys, time.Now()); len(refused) != 1 || !refused[0].Addr.IsLoopback() {
		t.Errorf("refused: %v", refused)
	}
	if got := n.taughtAt(time.Now()); len(got) != 3 {
		t.Errorf("let out: %q", got)
	}
}

// TestNamesAreBounded has a name lead to ever more addresses: the kernel never holds more of it than it may.
func TestNamesAreBounded(t *testing.T) {
	n, now := namesOf(t), time.Now()
	held := map[string]bool{}
	for i := range 10 {
		var addrs []string
		for j := range 40 {
			addrs = append(addrs, fmt.Sprintf("192.0.%d.%d", i, j))
		}
		now = now.Add(time.Second)
		if refused := n.learn(answer(cloud, time.Minute, addrs...), nobodys, now); len(refused) > 0 {
			t.Fatalf("answer %d: %v", i, refused)
		}
		due := n.due(n.wanted(everySet, now), now)
		n.wrote(due, now)
		for _, l := range due {
			held[l.Addr.String()] = l.Timeout > 0
			if l.Timeout == 0 {
				delete(held, l.Addr.String())
			}
		}
		for _, addr := range addrs {
			if !held[addr] {
				t.Errorf("answer %d: %s is not let out", i, addr)
			}
		}
		if len(held) > maxAddresses {
			t.Errorf("answer %d: %d addresses are let out", i, len(held))
		}
	}
	var many []string
	for i := range 70 {
		many = append(many, fmt.Sprintf("198.51.100.%d", i))
	}
	if refused := n.learn(answer(cloud, time.Minute, many...), nobodys, now); len(refused) != 70-maxAddresses {
		t.Errorf("of %d addresses in one answer %d are refused", len(many), len(refused))
	}
}

// TestNamesGoneFromThePolicy holds that what a name led to goes with it, unless another name leads there too.
func TestNamesGoneFromThePolicy(t *testing.T) {
	n, now := namesOf(t), time.Now()
	n.learn(answer(cloud, time.Minute, "192.0.2.1", "192.0.2.2"), nobodys, now)
	n.learn(answer(vault, time.Minute, "192.0.2.2"), nobodys, now)
	n.taughtAt(now)
	n.expect(map[string]firewall.NameSets{vault: {V4: []string{"web_4"}, V6: []string{"web_6"}}})
	if got, want := n.taughtAt(now), []string{"vault_4 192.0.2.2 0s", "web_4 192.0.2.1 0s"}; !slices.Equal(got, want) {
		t.Errorf("the kernel is told %q, want %q", got, want)
	}
}

// TestAstray compares what the kernel holds with what it was told.
func TestAstray(t *testing.T) {
	n, now := namesOf(t), time.Now()
	n.learn(answer(cloud, time.Minute, "192.0.2.1", "192.0.2.2"), nobodys, now)
	n.adopt([]kernel.Learned{{Set: "web_4", Addr: netip.MustParseAddr("192.0.2.9"), Timeout: time.Hour}}, now)
	n.taughtAt(now)
	held := func(set string, addrs ...string) (list []kernel.Learned) {
		for _, a := range addrs {
			list = append(list, kernel.Learned{Set: set, Addr: netip.MustParseAddr(a), Timeout: time.Minute})
		}
		return list
	}
	for name, c := range map[string]struct {
		held  []kernel.Learned
		later time.Duration
		want  string
	}{
		"as told":                {held("web_4", "192.0.2.1", "192.0.2.2"), 0, "[]"},
		"one taken":              {held("web_4", "192.0.2.1"), 0, "[web_4 192.0.2.2 back]"},
		"one taken, that ends":   {held("web_4", "192.0.2.1", "192.0.2.2")[:1], time.Hour + 58*time.Second, "[]"},
		"one added":              {held("web_4", "192.0.2.1", "192.0.2.2", "192.0.2.66"), 0, "[web_4 192.0.2.66 out]"},
		"one of a former guard":  {held("web_4", "192.0.2.1", "192.0.2.2", "192.0.2.9"), 0, "[]"},
		"a set that is not ours": {append(held("web_4", "192.0.2.1", "192.0.2.2"), held("x", "192.0.2.66")...), 0, "[]"},
	} {
		t.Run(name, func(t *testing.T) {
			got := []string{}
			for _, l := range n.astray(c.held, now.Add(c.later)) {
				what := "out"
				if l.Timeout > 0 {
					what = "back"
				}
				got = append(got, fmt.Sprintf("%s %s %s", l.Set, l.Addr, what))
			}
			if fmt.Sprint(got) != c.want {
				t.Errorf("%v, want %s", got, c.want)
			}
		})
	}
}
