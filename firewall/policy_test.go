package firewall

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// ports reads ports as an operator writes them.
func ports(words ...string) []Ports {
	var list []Ports
	for _, word := range words {
		p := Ports{Protocol: TCP}
		number, proto, _ := strings.Cut(word, "/")
		if proto == "udp" {
			p.Protocol = UDP
		}
		if n, _ := fmt.Sscanf(number, "%d-%d", &p.First, &p.Last); n == 1 {
			p.Last = p.First
		}
		list = append(list, p)
	}
	return list
}

func prefixes(words ...string) []netip.Prefix {
	list := make([]netip.Prefix, len(words))
	for i, word := range words {
		list[i] = netip.MustParsePrefix(word)
	}
	return list
}

// policyFrom makes a policy out of random bytes, valid or not.
func policyFrom(data []byte) Policy {
	next := func() byte {
		if len(data) == 0 {
			return 0
		}
		b := data[0]
		data = data[1:]
		return b
	}
	p := Policy{Ping: next()%2 == 0, Forward: Forward(next() % 4), NoManagement: next()%2 == 0}
	for i := range int(next() % 4) {
		e := Exception{Name: fmt.Sprintf("e%d", i), Any: next()%4 == 0}
		if next()%16 == 0 {
			e.Name = string([]byte{next(), next()})
		}
		for range int(next() % 4) {
			e.Ports = append(e.Ports, Ports{
				Protocol: [...]Protocol{TCP, UDP, 1}[next()%3],
				First:    uint16(next())<<8 | uint16(next()), Last: uint16(next()) << 8,
			})
		}
		for range int(next() % 5) {
			if next()%2 == 0 {
				a := netip.AddrFrom4([4]byte{next(), next(), next(), next()})
				e.From = append(e.From, netip.PrefixFrom(a, int(next()%34)))
			} else {
				a := netip.AddrFrom16([16]byte{0x20, next(), next(), 15: next()})
				e.From = append(e.From, netip.PrefixFrom(a, int(next()%130)))
			}
		}
		for range int(next() % 3) {
			names := []string{"eth0", "eth*", "wg1", "a b", "", string([]byte{next()})}
			e.Interfaces = append(e.Interfaces, names[next()%6])
		}
		if next()%2 == 0 {
			p.Management = append(p.Management, e)
		} else {
			p.Allow = append(p.Allow, e)
		}
	}
	p.Egress.Mode = EgressMode(next() % 4)
	for i := range int(next() % 4) {
		p.Egress.To = append(p.Egress.To, destinationFrom(fmt.Sprintf("d%d", i), next))
	}
	return p
}

func destinationFrom(name string, next func() byte) Destination {
	d := Destination{Name: name, Any: next()%4 == 0}
	for range int(next() % 4) {
		first := uint16(next())<<8 | uint16(next())
		d.Ports = append(d.Ports, Ports{Protocol: [...]Protocol{TCP, UDP, 1}[next()%3], First: first, Last: first | 15})
	}
	for range int(next() % 3) {
		a := netip.AddrFrom4([4]byte{next(), next(), next(), next()})
		d.To = append(d.To, netip.PrefixFrom(a, int(next()%34)))
	}
	for range int(next() % 3) {
		hosts := []string{"a.example", "A.EXAMPLE.", "b.example", "10.0.0.1", string([]byte{next(), next()})}
		d.Names = append(d.Names, hosts[next()%5])
	}
	for range int(next() % 3) {
		d.Users = append(d.Users, uint32(next())<<24|uint32(next()))
	}
	return d
}

// shuffled is the same policy in another order, with addresses that are not masked and some named twice.
func shuffled(p Policy, seed uint64) Policy {
	r := rand.New(rand.NewPCG(seed, 0))
	mix := func(list []Exception) []Exception {
		list = slices.Clone(list)
		for i, e := range list {
			e.Ports, e.From, e.Interfaces = slices.Clone(e.Ports), slices.Clone(e.From), slices.Clone(e.Interfaces)
			if len(e.From) > 0 {
				first := e.From[0]
				e.From = append(e.From, netip.PrefixFrom(lastAddr(first), first.Bits()), first.Masked())
			}
			r.Shuffle(len(e.Ports), func(a, b int) { e.Ports[a], e.Ports[b] = e.Ports[b], e.Ports[a] })
			r.Shuffle(len(e.From), func(a, b int) { e.From[a], e.From[b] = e.From[b], e.From[a] })
			r.Shuffle(len(e.Interfaces), func(a, b int) {
				e.Interfaces[a], e.Interfaces[b] = e.Interfaces[b], e.Interfaces[a]
			})
			list[i] = e
		}
		r.Shuffle(len(list), func(a, b int) { list[a], list[b] = list[b], list[a] })
		return list
	}
	p.Management, p.Allow = mix(p.Management), mix(p.Allow)
	p.Egress.To = shuffledDestinations(p.Egress.To, r)
	return p
}

func shuffledDestinations(list []Destination, r *rand.Rand) []Destination {
	list = slices.Clone(list)
	for i, d := range list {
		d.Ports, d.To, d.Names = slices.Clone(d.Ports), slices.Concat(d.To, d.To), slices.Concat(d.Names, d.Names)
		d.Users = slices.Concat(d.Users, d.Users)
		for j, name := range d.Names {
			if canonicalName(name) == name && r.IntN(2) == 0 {
				d.Names[j] = strings.ToUpper(name) + "."
			}
		}
		r.Shuffle(len(d.Ports), func(a, b int) { d.Ports[a], d.Ports[b] = d.Ports[b], d.Ports[a] })
		r.Shuffle(len(d.To), func(a, b int) { d.To[a], d.To[b] = d.To[b], d.To[a] })
		r.Shuffle(len(d.Users), func(a, b int) { d.Users[a], d.Users[b] = d.Users[b], d.Users[a] })
		list[i] = d
	}
	r.Shuffle(len(list), func(a, b int) { list[a], list[b] = list[b], list[a] })
	return list
}

// TestPolicyInJSON holds that a policy comes back from JSON as it was: the record of what is in force keeps it so.
func TestPolicyInJSON(t *testing.T) {
	policies := goldenPolicies()
	r := rand.New(rand.NewPCG(7, 7))
	for i := range 2000 {
		data := make([]byte, 120)
		for j := range data {
			data[j] = byte(r.Uint32())
		}
		if p := policyFrom(data); p.Validate() == nil {
			policies[fmt.Sprint(i)] = p
		}
	}
	if len(policies) < 40 {
		t.Fatalf("%d policies: too few were valid", len(policies))
	}
	for name, policy := range policies {
		text, err := json.Marshal(policy)
		if err != nil {
			t.Fatal(err)
		}
		var back Policy
		if err := json.Unmarshal(text, &back); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if !reflect.DeepEqual(back, policy) {
			t.Errorf("%s: went %+v\ncame %+v", name, policy, back)
		}
	}
}

// TestPolicyWordsInJSON holds the words that a kept policy is read by, for good.
func TestPolicyWordsInJSON(t *testing.T) {
	for text, want := range map[string]Policy{
		`{"Forward":"drop","Egress":{"Mode":"open"}}`:          {},
		`{"Forward":"accept","Egress":{"Mode":"observe"}}`:     {Forward: ForwardAccept, Egress: Egress{Mode: 1}},
		`{"Forward":"containers","Egress":{"Mode":"enforce"}}`: {Forward: ForwardContainers, Egress: Egress{Mode: 2}},
	} {
		var got Policy
		if err := json.Unmarshal([]byte(text), &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s is %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{`{"Forward":"all"}`, `{"Forward":1}`, `{"Egress":{"Mode":"shut"}}`} {
		if err := json.Unmarshal([]byte(text), new(Policy)); err == nil {
			t.Errorf("%s is a policy", text)
		}
	}
	for _, p := range []Policy{{Forward: 9}, {Egress: Egress{Mode: 9}}} {
		if text, err := json.Marshal(p); err == nil {
			t.Errorf("%+v is kept as %s", p, text)
		}
	}
}
