package proof

import (
	"errors"
	"math/rand/v2"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"sallyport/firewall"
	"sallyport/firewall/internal/kerneltest"
	"sallyport/firewall/kernel"
)

func TestMain(m *testing.M) {
	kernel.RehearseMain(RehearsalErrand())
	if os.Getenv(strangerOf) != "" {
		os.Exit(strangerMain())
	}
	os.Exit(m.Run())
}

// unprepared ends a test that needs what is not there: as a failure where everything is meant to be there.
func unprepared(t testing.TB, format string, args ...any) {
	t.Helper()
	kerneltest.Unprepared(t, format, args...)
}

func prefixes(list ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, text := range list {
		out = append(out, netip.MustParsePrefix(text))
	}
	return out
}

func ports(protocol firewall.Protocol, first, last uint16) []firewall.Ports {
	return []firewall.Ports{{Protocol: protocol, First: first, Last: last}}
}

func hostPolicy() firewall.Policy {
	return firewall.Policy{
		Management: []firewall.Exception{{
			Name: "ssh-admins", Ports: ports(firewall.TCP, 22, 22), From: prefixes("10.20.0.0/24", "2001:db8:20::/64"),
		}},
		Allow: []firewall.Exception{
			{Name: "web", Ports: ports(firewall.TCP, 8000, 8010), Any: true, Interfaces: []string{"eth0", "ens*"}},
			{
				Name: "snmp", Ports: ports(firewall.UDP, 161, 162),
				From: prefixes("10.30.0.0/16", "10.31.0.7/32", "fd00:1::/48"),
			},
		},
		Ping: true,
	}
}

func compile(t testing.TB, p firewall.Policy) firewall.Ruleset {
	t.Helper()
	r, err := firewall.Compile(p)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func rehearse(t testing.TB, p firewall.Policy, r firewall.Ruleset) (Rehearsal, error) {
	t.Helper()
	done, err := Rehearse(t.Context(), p, r)
	if errors.Is(err, ErrNoPackets) {
		unprepared(t, "%v", err)
	}
	return done, err
}

func TestRehearse(t *testing.T) {
	p := hostPolicy()
	done, err := rehearse(t, p, compile(t, p))
	if err != nil {
		t.Fatal(err)
	}
	if len(done.Untried) > 0 || done.Omitted > 0 || done.In < 20 || done.Out < 40 || done.Replies != 8 {
		t.Errorf("%+v: want everything tried, and more", done)
	}
	t.Log(done)
}

// TestRehearseInAChild holds that who may not make a namespace sees the same.
func TestRehearseInAChild(t *testing.T) {
	p := hostPolicy()
	for name, r := range map[string]firewall.Ruleset{
		"right": compile(t, p), "wrong": compile(t, firewall.Policy{NoManagement: true}),
	} {
		want, err := rehearse(t, p, r)
		wrong := 0
		if refused, ok := errors.AsType[*RefusedError](err); ok {
			wrong = len(refused.Wrong)
		} else if err != nil {
			t.Fatal(err)
		}
		told, err := performInChild(t.Context(), planFor(p), r)
		if errors.Is(err, kernel.ErrNoNamespace) || errors.Is(err, ErrNoPackets) {
			unprepared(t, "%v", err)
		}
		if err != nil {
			t.Fatal(err)
		}
		want.Took = 0
		if !reflect.DeepEqual(told.Rehearsal, want) || len(told.Wrong) != wrong || (name == "wrong") != (wrong > 0) {
			t.Errorf("%s: in a child %+v, wrong %d; on a thread %+v, wrong %d",
				name, told.Rehearsal, len(told.Wrong), want, wrong)
		}
	}
}

// randomPolicy makes a policy that nobody thought of, from a seed.
func randomPolicy(seed uint64) firewall.Policy {
	random := rand.New(rand.NewPCG(seed, 1))
	p := firewall.Policy{NoManagement: true, Ping: random.IntN(2) == 0, Forward: firewall.Forward(random.IntN(3))}
	if random.IntN(2) == 0 {
		p.Egress = randomEgress(random)
	}
	for i := range random.IntN(6) {
		e := firewall.Exception{Name: "e" + strconv.Itoa(i), Any: random.IntN(4) == 0}
		for range 1 + random.IntN(6) {
			first := uint16(1 + random.IntN(65535))
			last := min(65535, int(first)+random.IntN(2)*random.IntN(1000))
			protocol := []firewall.Protocol{firewall.TCP, firewall.UDP}[random.IntN(2)]
			e.Ports = append(e.Ports, firewall.Ports{Protocol: protocol, First: first, Last: uint16(last)})
		}
		for range random.IntN(4) {
			e.Interfaces = append(e.Interfaces, []string{"eth0", "eth1", "eth*", "br-a.7", "s*", "wlan0"}[random.IntN(6)])
		}
		for range 1 + random.IntN(12) {
			if !e.Any {
				e.From = append(e.From, randomPrefix(random))
			}
		}
		if random.IntN(2) == 0 {
			p.Management = append(p.Management, e)
		} else {
			p.Allow = append(p.Allow, e)
		}
	}
	return p
}

func randomEgress(random *rand.Rand) firewall.Egress {
	e := firewall.Egress{Mode: firewall.EgressMode(random.IntN(3))}
	for i := range random.IntN(4) {
		d := firewall.Destination{Name: "d" + strconv.Itoa(i), Ports: ports(firewall.TCP, 443, 443)}
		switch random.IntN(4) {
		case 0:
			d.Any, d.Ports = true, ports(firewall.UDP, 53, 60)
		case 1:
			d.Names = []string{"console.corp.example"}
		case 2:
			d.To, d.Users = []netip.Prefix{randomPrefix(random)}, []uint32{4242}
		default:
			d.To = []netip.Prefix{randomPrefix(random)}
		}
		e.To = append(e.To, d)
	}
	return e
}

func randomPrefix(random *rand.Rand) netip.Prefix {
	b := make([]byte, []int{4, 16}[random.IntN(2)])
	for i := range b {
		b[i] = byte(random.IntN(256))
	}
	b[0] = []byte{0, 9, 10, 126, 192, 198, 203, 223, 0x20, 0x26, 0xfc, 0xfe}[random.IntN(12)]
	addr, _ := netip.AddrFromSlice(b)
	p, _ := addr.Prefix(1 + random.IntN(addr.BitLen()))
	if p.Addr().IsLoopback() || p.Addr().IsMulticast() || p.IsSingleIP() && p.Addr().IsUnspecified() {
		return randomPrefix(random)
	}
	return p
}

// TestRehearsePolicies holds that no right ruleset is refused, whatever the policy.
func TestRehearsePolicies(t *testing.T) {
	sent := 0
	for seed := range uint64(40) {
		p := randomPolicy(seed)
		done, err := rehearse(t, p, compile(t, p))
		if err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
		if len(done.Untried) > 0 {
			t.Errorf("seed %d: %v", seed, done)
		}
		sent += done.In + done.Out
	}
	if sent < 3000 {
		t.Errorf("only %d packets in all", sent)
	}
}

// TestRehearsalIsBounded holds that a huge policy is rehearsed by its edges.
func TestRehearsalIsBounded(t *testing.T) {
	p := hostPolicy()
	for i := range 2000 {
		p.Allow = append(p.Allow, firewall.Exception{
			Name: "e" + strconv.Itoa(i), Ports: ports(firewall.TCP, uint16(10000+i), uint16(10000+i)),
			From: prefixes("10.9.0.0/16", "2001:db8:9::/48"),
		})
	}
	done := planFor(p)
	if len(done.Visits) > maxVisits || done.Omitted == 0 || len(interfaces(done.Visits)) > maxInterfaces {
		t.Errorf("%d visits, %d omitted", len(done.Visits), done.Omitted)
	}
	for _, name := range []string{"ssh-admins", "web", "snmp"} {
		if !slices.ContainsFunc(done.Visits, func(v visit) bool { return v.Way == name }) {
			t.Errorf("nobody comes by %s", name)
		}
	}
}

func interfaces(visits []visit) map[string]bool {
	names := make(map[string]bool)
	for _, v := range visits {
		names[v.By] = true
	}
	return names
}

// TestRehearsalUntried holds that what cannot be tried is told, and the rest is tried.
func TestRehearsalUntried(t *testing.T) {
	p := hostPolicy()
	p.Allow = append(p.Allow, firewall.Exception{
		Name: "odd", Ports: ports(firewall.TCP, 9000, 9000), Any: true, Interfaces: []string{"lo", "all"},
	})
	done, err := rehearse(t, p, compile(t, p))
	if err != nil || len(done.Untried) != 2 || done.In < 20 {
		t.Errorf("%+v, %v", done, err)
	}
	if text := done.String(); !strings.Contains(text, "; not tried: the interface all: ") {
		t.Error(text)
	}
}

func BenchmarkRehearse(b *testing.B) {
	for _, sources := range []int{2, 100, 10000} {
		b.Run(strconv.Itoa(sources), func(b *testing.B) {
			p := hostPolicy()
			for i := range sources {
				addr := netip.AddrFrom4([4]byte{11, byte(i >> 12), byte(i >> 4), byte(i << 4)})
				p.Allow[1].From = append(p.Allow[1].From, netip.PrefixFrom(addr, 28))
			}
			r := compile(b, p)
			for b.Loop() {
				if _, err := rehearse(b, p, r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
