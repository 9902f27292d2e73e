package firewall

import (
	"math"
	"net/netip"
	"strings"
	"testing"
)

// TestValidateEgress holds one policy for each rule, with the whole of what is said.
func TestValidateEgress(t *testing.T) {
	with := func(change func(d *Destination)) Egress {
		d := Destination{Name: "ntp", Ports: ports("123/udp"), To: prefixes("10.0.0.5/32")}
		change(&d)
		return Egress{Mode: EgressEnforce, To: []Destination{d}}
	}
	to := func(p ...netip.Prefix) Egress { return with(func(d *Destination) { d.To = p }) }
	host := func(name string) Egress { return with(func(d *Destination) { d.Names = []string{name} }) }
	long := strings.Repeat("a.", 127)
	const is = `egress "ntp": `
	for name, c := range map[string]struct {
		egress Egress
		want   string // empty: fine
	}{
		"fine":           {egress: with(func(*Destination) {})},
		"nothing at all": {egress: Egress{Mode: EgressEnforce}},
		"groups":         {egress: to(prefixes("224.0.0.251/32", "ff02::fb/128", "169.254.169.254/32")...)},
		"names":          {egress: host("_ldap._TCP.corp-1.example.")},
		"addresses and names, users": {egress: with(func(d *Destination) {
			d.Names, d.Users = []string{"a.example"}, []uint32{0, 65534, 0}
		})},
		"anywhere": {egress: with(func(d *Destination) { d.To, d.Any = nil, true })},
		"mode":     {egress: Egress{Mode: 7}, want: "egress mode 7: want open, observe or enforce"},
		"no name": {egress: with(func(d *Destination) { d.Name = "" }),
			want: "egress[0]: no name: give it one, its counter and sets are named after it"},
		"bad name": {egress: with(func(d *Destination) { d.Name = "n t p" }), want: `egress "n t p": ` +
			"a bad name: letters, digits, dots, dashes and underscores, beginning with a letter or digit"},
		"twice, also where it is open": {
			egress: Egress{To: append(with(func(*Destination) {}).To, with(func(*Destination) {}).To...)},
			want:   is + "the name is taken by another destination: every name stands once"},
		"users without ports": {egress: with(func(d *Destination) { d.Ports, d.Users = nil, []uint32{7} }),
			want: is + "no ports: name at least one, as in 22/tcp"},
		"port": {egress: with(func(d *Destination) { d.Ports[0].Last = 9 }),
			want: is + "ports 123-9: the range is upside down, want 9-123"},
		"nowhere": {egress: to(), want: is + "leads nowhere: name addresses, names, or any"},
		"anywhere and somewhere": {egress: with(func(d *Destination) { d.Any = true }),
			want: is + "anywhere, and addresses or names at once: name one or the other"},
		"anywhere and a name": {egress: with(func(d *Destination) {
			d.Any, d.To, d.Names = true, nil, []string{"a.example"}
		}), want: is + "anywhere, and addresses or names at once: name one or the other"},
		"no prefix": {egress: to(netip.Prefix{}),
			want: is + "destination is not a prefix: want an address and its length, as in 10.20.0.0/24"},
		"mapped": {egress: to(netip.PrefixFrom(netip.MustParseAddr("::ffff:10.0.0.0"), 104)),
			want: is + "destination ::ffff:10.0.0.0/104: " +
				"an IPv4 address in IPv6 form never leaves as such; write it as IPv4"},
		"everywhere": {egress: to(prefixes("::/0")...),
			want: is + "destination ::/0: everywhere must be written out as any"},
		"loopback": {egress: to(prefixes("127.0.0.53/32")...),
			want: is + "destination 127.0.0.53/32: loopback is always open; leave it out"},
		"loopback v6": {egress: to(prefixes("::1/128")...),
			want: is + "destination ::1/128: loopback is always open; leave it out"},
		"unspecified": {egress: to(prefixes("0.0.0.0/32")...),
			want: is + "destination 0.0.0.0/32: the unspecified address is never a destination; leave it out"},
		"empty host":  {egress: host(""), want: is + `name "": not a name of a host`},
		"root":        {egress: host("."), want: is + `name ".": not a name of a host`},
		"empty label": {egress: host("a..b"), want: is + `name "a..b": not a name of a host`},
		"control":     {egress: host("a\n.b"), want: is + `name "a\n.b": not a name of a host`},
		"wildcard":    {egress: host("*.example"), want: is + `name "*.example": not a name of a host`},
		"dash":        {egress: host("-a.example"), want: is + `name "-a.example": not a name of a host`},
		"address": {egress: host("10.0.0.1"),
			want: is + `name "10.0.0.1": an address is no name; name it with the addresses`},
		"localhost": {egress: host("LOCALHOST"), want: is + `name "LOCALHOST": loopback is always open; leave it out`},
		"localhost too": {egress: host("a.localhost."),
			want: is + `name "a.localhost.": loopback is always open; leave it out`},
		"long": {egress: host(long + "ab"), want: is + `name "` + long[:253] + `...": 256 bytes, at most 253`},
		"nobody": {egress: with(func(d *Destination) { d.Users = []uint32{math.MaxUint32} }),
			want: is + "user 4294967295: not a user"},
	} {
		t.Run(name, func(t *testing.T) {
			got, policy := "", Policy{NoManagement: true, Egress: c.egress}
			if err := policy.Validate(); err != nil {
				got = err.Error()
			}
			if got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if _, err := Compile(policy); (err != nil) != (c.want != "") {
				t.Errorf("Compile: %v", err)
			}
		})
	}
}
