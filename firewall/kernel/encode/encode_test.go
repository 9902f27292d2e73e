package encode

import (
	"errors"
	"net/netip"
	"sallyport/firewall"
	"testing"
)

// TestNotEncodable holds that nonsense is refused before anything is sent.
func TestNotEncodable(t *testing.T) {
	one := func(s ...firewall.Statement) firewall.Ruleset {
		return firewall.Ruleset{Chains: []firewall.Chain{{Name: "c", Rules: []firewall.Rule{{Statements: s}}}}}
	}
	set := func(s firewall.Set) firewall.Ruleset { return firewall.Ruleset{Sets: []firewall.Set{s}} }
	v4 := []firewall.KeyType{firewall.IPv4Addr}
	masked := func(m firewall.Match) firewall.Match { m.Mask = 3; return m }
	limited := add("s", firewall.IPSaddr)
	limited.Limit = &firewall.Limit{}
	for name, r := range map[string]firewall.Ruleset{
		"opaque":                one(firewall.Opaque{Text: "queue"}),
		"no value":              one(firewall.Match{Field: firewall.TCPDport}),
		"no field":              one(n(0, firewall.Number(1))),
		"no verdict":            one(firewall.Verdict{}),
		"too large a number":    one(n(firewall.TCPDport, firewall.Number(65536))),
		"range upside down":     one(n(firewall.TCPDport, firewall.Range{First: 2, Last: 1})),
		"address of the other":  one(n(firewall.IPSaddr, addrs("2001:db8::/64"))),
		"two protocols at once": one(n(firewall.TCPDport, firewall.Number(1)), n(firewall.UDPDport, firewall.Number(1))),
		"two families at once":  one(n(firewall.IPSaddr, addrs("10.0.0.0/8")), n(firewall.ICMPv6Type, firewall.Number(1))),
		"wildcard in a set":     one(n(firewall.MetaIIFName, firewall.Name("a*"), firewall.Name("b"))),
		"long interface":        one(n(firewall.MetaIIFName, firewall.Name("abcdefghijklmnopq"))),
		"state that is not": one(firewall.Match{
			Field: firewall.CTState, Not: true, Values: n(firewall.CTState, firewall.StateNew).Values,
		}),
		"flags without a mask":    one(n(firewall.TCPFlags, firewall.FlagSYN)),
		"flags beside the mask":   one(flags(firewall.FlagSYN, firewall.FlagACK)),
		"flags of two values":     one(masked(n(firewall.TCPFlags, firewall.FlagSYN, firewall.FlagFIN))),
		"a mask on a port":        one(masked(n(firewall.TCPDport, firewall.Number(1)))),
		"reset of what is no TCP": one(reject(firewall.TCPReset)),
		"no rejection":            one(firewall.Reject{}),
		"add of nothing":          one(firewall.Add{Set: "s"}),
		"add, limit and counter":  one(limited),
		"everything":              one(n(firewall.IPSaddr, addrs("0.0.0.0/0"))),
		"lookup of nothing":       one(firewall.Lookup{Set: "s"}),
		"set without a key":       set(firewall.Set{Name: "s"}),
		"set of another":          set(firewall.Set{Name: "s", Key: v4, Foreign: "map"}),
		"key of an unknown type":  set(firewall.Set{Name: "s", Key: []firewall.KeyType{"verdict"}}),
		"range without interval":  set(firewall.Set{Key: v4, Elements: elements(addrs("10.0.0.0/8"))}),
		"element of two parts": set(firewall.Set{
			Key: v4, Elements: elements(firewall.Number(1), firewall.Number(2)),
		}),
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Ruleset(r); !errors.Is(err, ErrNotEncodable) {
				t.Errorf("got %v, want ErrNotEncodable", err)
			}
		})
	}
}

func n(f firewall.Field, v ...firewall.Value) firewall.Match {
	return firewall.Match{Field: f, Values: v}
}

func addrs(prefix string) firewall.Addrs { return firewall.PrefixAddrs(netip.MustParsePrefix(prefix)) }

func flags(want, mask firewall.Number) firewall.Match {
	return firewall.Match{Field: firewall.TCPFlags, Mask: mask, Values: []firewall.Value{want}}
}

func reject(kind firewall.RejectKind) firewall.Reject { return firewall.Reject{Kind: kind} }

func add(set string, fields ...firewall.Field) firewall.Add {
	return firewall.Add{Set: set, Fields: fields, Counter: true}
}

func elements(key ...firewall.Value) []firewall.Element { return []firewall.Element{{Key: key}} }
