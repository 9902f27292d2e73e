package firewall

import (
	"net/netip"
	"testing"
)

// TestValidate holds one bad policy for each rule, with the whole message.
func TestValidate(t *testing.T) {
	ok := Exception{Name: "ssh", Ports: ports("22/tcp"), From: prefixes("10.0.0.0/8")}
	with := func(change func(e *Exception)) Policy {
		e := ok
		change(&e)
		return Policy{Management: []Exception{e}}
	}
	from := func(p ...netip.Prefix) Policy { return with(func(e *Exception) { e.From = p }) }
	on := func(name string) Policy { return with(func(e *Exception) { e.Interfaces = []string{name} }) }
	const badName = "a bad name: letters, digits, dots, dashes and underscores, beginning with a letter or digit"
	long := "a123456789b123456789c123456789d123456789e123456789f123456789g123"
	for name, c := range map[string]struct {
		policy Policy
		want   string // empty: fine
	}{
		"fine": {policy: Policy{Management: []Exception{ok}}},
		"mixed families, overlapping exceptions, unmasked": {policy: Policy{
			Management: []Exception{{Name: "a", Ports: ports("22/tcp"), From: prefixes("10.1.2.3/8", "2001:db8::1/32")}},
			Allow:      []Exception{{Name: "b", Ports: ports("22/tcp", "1-65535/udp"), From: prefixes("10.1.0.0/16")}},
		}},
		"none meant": {policy: Policy{NoManagement: true}},
		"no management": {
			want: "no management exception: nobody could get in; name one, or say that none is meant (--no-management)"},
		"forward": {policy: Policy{NoManagement: true, Forward: 9}, want: "forward 9: want drop, accept or containers"},
		"no name": {policy: with(func(e *Exception) { e.Name = "" }),
			want: "management[0]: no name: give it one, its counter and sets are named after it"},
		"bad name": {policy: with(func(e *Exception) { e.Name = "ssh admins" }),
			want: `management "ssh admins": ` + badName},
		"name with a quote": {policy: with(func(e *Exception) { e.Name = "a\"\n" }),
			want: `management "a\"\n": ` + badName},
		"long name": {policy: with(func(e *Exception) { e.Name = long }),
			want: `management "` + long + `": a name of 64 bytes: at most 63`},
		"twice": {policy: Policy{Management: []Exception{ok}, Allow: []Exception{ok}},
			want: `allow "ssh": the name is taken by another exception: every name stands once`},
		"no ports": {policy: with(func(e *Exception) { e.Ports = nil }),
			want: `management "ssh": no ports: name at least one, as in 22/tcp`},
		"port 0": {policy: with(func(e *Exception) { e.Ports = []Ports{{TCP, 0, 10}} }),
			want: `management "ssh": ports 0-10: the first port is 1`},
		"upside down": {policy: with(func(e *Exception) { e.Ports = []Ports{{TCP, 10, 9}} }),
			want: `management "ssh": ports 10-9: the range is upside down, want 9-10`},
		"protocol": {policy: with(func(e *Exception) { e.Ports = []Ports{{132, 10, 11}} }),
			want: `management "ssh": ports 10-11 of protocol 132: want tcp or udp`},
		"no sources": {policy: from(), want: `management "ssh": no sources: name the addresses it is open to, or any`},
		"any and sources": {policy: with(func(e *Exception) { e.Any = true }),
			want: `management "ssh": from anywhere and from addresses at once: name one or the other`},
		"mapped": {policy: from(netip.PrefixFrom(netip.MustParseAddr("::ffff:10.0.0.0"), 104)),
			want: `management "ssh": source ::ffff:10.0.0.0/104: ` +
				"an IPv4 address in IPv6 form never arrives as such; write it as IPv4"},
		"everywhere": {policy: from(prefixes("0.0.0.0/0")...),
			want: `management "ssh": source 0.0.0.0/0: everywhere must be written out as any`},
		"loopback": {policy: from(prefixes("127.0.0.0/8")...),
			want: `management "ssh": source 127.0.0.0/8: ` +
				"loopback is always open, and never comes from outside; leave it out"},
		"loopback v6": {policy: from(prefixes("::1/128")...),
			want: `management "ssh": source ::1/128: ` +
				"loopback is always open, and never comes from outside; leave it out"},
		"multicast": {policy: from(prefixes("ff02::/16")...),
			want: `management "ssh": source ff02::/16: a multicast address is never a source; leave it out`},
		"unspecified": {policy: from(prefixes("0.0.0.0/32")...),
			want: `management "ssh": source 0.0.0.0/32: the unspecified address is never a source; leave it out`},
		"no prefix": {policy: from(netip.Prefix{}),
			want: `management "ssh": source is not a prefix: want an address and its length, as in 10.20.0.0/24`},
		"long interface": {policy: on("abcdefghijklmnop"),
			want: `management "ssh": interface "abcdefghijklmnop": 16 bytes, at most 15`},
		"interface with a quote": {policy: on(`e"th0`),
			want: `management "ssh": interface "e\"th0": '"' cannot stand in the name of an interface`},
		"interface with a slash": {policy: on("a/b"),
			want: `management "ssh": interface "a/b": '/' cannot stand in the name of an interface`},
		"interface with a star": {policy: on("e*0"),
			want: `management "ssh": interface "e*0": a * stands only at the end`},
		"interface of stars": {policy: on("*"),
			want: `management "ssh": interface "*": ` +
				"every interface is what naming none means; leave interfaces out"},
		"interface without a name": {policy: on(""),
			want: `management "ssh": an interface without a name`},
		"interface dot": {policy: on(".."),
			want: `management "ssh": interface "..": not a name of an interface`},
		"all at once": {
			policy: Policy{Allow: []Exception{{Name: "x"}, {Name: "x", Ports: ports("1/tcp"), From: prefixes("::1/128")}}},
			want: "no management exception: nobody could get in; name one, or say that none is meant (--no-management)\n" +
				"allow \"x\": no ports: name at least one, as in 22/tcp\n" +
				"allow \"x\": no sources: name the addresses it is open to, or any\n" +
				"allow \"x\": the name is taken by another exception: every name stands once\n" +
				"allow \"x\": source ::1/128: loopback is always open, and never comes from outside; leave it out",
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := ""
			if err := c.policy.Validate(); err != nil {
				got = err.Error()
			}
			if got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if _, err := Compile(c.policy); (err != nil) != (c.want != "") {
				t.Errorf("Compile: %v", err)
			}
		})
	}
}
