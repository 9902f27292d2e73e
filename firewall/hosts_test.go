package firewall

import (
	"fmt"
	"net/netip"
	"testing"
)

// TestManyHosts holds that single addresses go to a set without intervals from so many on, that networks and ranges stay
// where they are, and that no address is in both or in none.
func TestManyHosts(t *testing.T) {
	for _, c := range []struct {
		hosts int
		want  []string // the sets, how many elements they have, and their declared size
	}{
		{manyHosts - 1, []string{"in_way_4 8 intervals 0", "in_way_6 7 intervals 0"}},
		{manyHosts, []string{"in_way_4 1 intervals 0", "in_way_hosts4 8 hosts 768", "in_way_hosts6 8 hosts 768"}},
		{768, []string{"in_way_4 1 intervals 0", "in_way_hosts4 768 hosts 768", "in_way_hosts6 768 hosts 768"}},
		{769, []string{"in_way_4 1 intervals 0", "in_way_hosts4 769 hosts 1536", "in_way_hosts6 769 hosts 1536"}},
	} {
		e := Exception{Name: "way", Ports: ports("22/tcp"), From: prefixes("10.0.0.0/24")}
		for i := range c.hosts {
			e.From = append(e.From,
				netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 1, byte(i >> 7), byte(i << 1)}), 32),
				netip.PrefixFrom(netip.AddrFrom16([16]byte{0xfd, 14: byte(i >> 7), 15: byte(i << 1)}), 128))
		}
		rules, err := Compile(Policy{Management: []Exception{e}})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, s := range rules.Sets {
			if s.Dynamic {
				continue
			}
			kind := map[bool]string{true: "intervals", false: "hosts"}[s.Interval]
			got = append(got, fmt.Sprintf("%s %d %s %d", s.Name, len(s.Elements), kind, s.Size))
		}
		if fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%d hosts of each family: %q, want %q", c.hosts, got, c.want)
		}
		for _, chain := range rules.Chains {
			if chain.Name == "in_way" && len(chain.Rules) != len(c.want) {
				t.Errorf("%d hosts: %d rules look into %d sets", c.hosts, len(chain.Rules), len(c.want))
			}
		}
	}
}
