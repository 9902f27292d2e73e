package firewall

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"
)

// leads is what the policy says of a first packet out, told without a look at the compiled ruleset.
func leads(e Egress, p packet) bool {
	return slices.ContainsFunc(e.To, func(d Destination) bool {
		to := d.Any || slices.ContainsFunc(d.To, func(prefix netip.Prefix) bool { return prefix.Contains(p.to) })
		user := len(d.Users) == 0 || p.uid != nil && slices.Contains(d.Users, *p.uid)
		return to && user && among(d.Ports, p.protocol, p.port)
	})
}

// fewDestinations is random egress among so few addresses, ports and users that packets often meet.
func fewDestinations(r *rand.Rand, mode EgressMode) Egress {
	e := Egress{Mode: mode}
	names := []string{"a", "b", "c", "d"}
	for _, name := range names[:r.IntN(5)] {
		d := Destination{Name: name, Any: r.IntN(6) == 0}
		for range 1 + r.IntN(2) {
			first := uint16(1 + r.IntN(4))
			d.Ports = append(d.Ports, Ports{
				Protocol: []Protocol{TCP, UDP}[r.IntN(2)], First: first, Last: first + uint16(r.IntN(3)),
			})
		}
		for range 1 + r.IntN(4) {
			if !d.Any {
				d.To = append(d.To, single(fewAddress(r, r.IntN(2) == 0)))
			}
		}
		for range r.IntN(3) {
			d.Users = append(d.Users, uint32(r.IntN(3)))
		}
		e.To = append(e.To, d)
	}
	return e
}

func single(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, a.BitLen()) }

func fewAddress(r *rand.Rand, v6 bool) netip.Addr {
	if v6 {
		return netip.AddrFrom16([16]byte{0x20, 1, 0xd, byte(r.IntN(2)), 15: 1})
	}
	return netip.AddrFrom4([4]byte{10, 0, 0, byte(1 + r.IntN(3))})
}

func fewPacket(r *rand.Rand) packet {
	v6 := r.IntN(2) == 0
	p := packet{
		hook: chainOutput, v6: v6, protocol: []Protocol{TCP, UDP}[r.IntN(2)], port: uint16(1 + r.IntN(6)),
		to: fewAddress(r, v6),
	}
	if n := r.IntN(4); n < 3 {
		p.uid = new(uint32(n))
	}
	return p
}

// TestEgressJudges holds that the compiled ruleset lets out just what the policy names, for whom it names it: enforced; and
// everything where it only observes. Beside another on trial, each judges as it does alone.
func TestEgressJudges(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 4))
	verdicts := map[bool]int{}
	for range 80 {
		enforced := Policy{NoManagement: true, Egress: fewDestinations(r, EgressEnforce)}
		other := Policy{NoManagement: true, Egress: fewDestinations(r, EgressMode(r.IntN(3)))}
		rules, beside := compile4Test(t, enforced), compile4Test(t, other)
		both := beside4Test(t, beside, rules, time.Minute)
		for range 100 {
			p := fewPacket(r)
			want := leads(enforced.Egress, p)
			verdicts[want]++
			if got := judge(rules, p, false); got != want {
				t.Fatalf("%+v is let out: %t, want %t:\n%s", p, got, want, rules)
			}
			wantOther := other.Egress.Mode != EgressEnforce || leads(other.Egress, p)
			if got := judge(beside, p, false); got != wantOther {
				t.Fatalf("%s: %+v is let out: %t, want %t:\n%s", other.Egress.Mode, p, got, wantOther, beside)
			}
			if onTrial, after := judge(both, p, true), judge(both, p, false); onTrial != want || after != wantOther {
				t.Fatalf("%+v on trial %t, after %t, want %t and %t:\n%s", p, onTrial, after, want, wantOther, both)
			}
		}
	}
	if verdicts[true] < 500 || verdicts[false] < 500 {
		t.Errorf("verdicts %v: the test tells little", verdicts)
	}
}
