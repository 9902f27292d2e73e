package proof

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"sallyport/firewall"
	"sallyport/firewall/kernel"
)

// gapRate is the packets a second that a flood must have to tell anything.
const gapRate = 15000

// TestNoGap holds the first promise of the firewall: under a flood to blocked ports, a thousand changes of the policy let
// nothing in, lose nothing of what is permitted before and after, also where the very exception changes by which it comes
// in, and do not disturb who looks after the host.
func TestNoGap(t *testing.T) {
	const changes = 1000
	newGapRig(t).noGap(changes, gapCompile)
}

// TestNoGapOfTrials holds the same for trials that begin and end.
func TestNoGapOfTrials(t *testing.T) {
	const changes = 80
	newGapRig(t).noGap(changes, func(t *testing.T, i int) firewall.Ruleset {
		t.Helper()
		committed := gapCompile(t, i)
		if i%2 == 0 {
			return committed
		}
		both, err := firewall.Beside(committed, gapCompile(t, i+1), time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		return both
	})
}

// noGap puts one ruleset after the other in force under a flood.
func (r *gapRig) noGap(changes int, ruleset func(*testing.T, int) firewall.Ruleset) {
	t := r.t
	t.Helper()
	c, err := kernel.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if err := c.Apply(t.Context(), ruleset(t, 0)); err != nil {
		t.Fatal(err)
	}
	flood := r.newFlood() // before the session, of which its raw socket would hear until it is connected
	session, numbers := r.newSession(), r.newNumbers()
	flood.also = numbers.send
	flood.begin()
	began := time.Now()
	for i := range changes {
		if err := c.Apply(t.Context(), ruleset(t, i+1)); err != nil {
			t.Fatalf("change %d: %v", i+1, err)
		}
	}
	took := time.Since(began)
	sent, accepted := flood.result()
	datagrams, lost := numbers.result()
	echoes, broken := session.result()
	rate := float64(sent.total()) / took.Seconds()
	t.Logf("%d changes in %.1f s under %.0f packets a second (%s): %d accepted; of %d permitted datagrams %d lost; "+
		"%d echoes of a session", changes, took.Seconds(), rate, sent, accepted.total(), datagrams, lost, echoes)
	if accepted.total() > 0 {
		t.Errorf("%s packets to blocked ports were accepted", accepted)
	}
	if rate < gapRate {
		t.Errorf("the flood had %.0f packets a second, want %d: this machine is too slow or too busy to tell", rate, gapRate)
	}
	if lost > 0 || datagrams < 10*uint64(changes) {
		t.Errorf("%d of %d permitted datagrams were lost", lost, datagrams)
	}
	if broken != nil || echoes < changes {
		t.Errorf("the session broke after %d echoes: %v", echoes, broken)
	}
}

// TestGapOfARecreatedTable holds that the rig sees a gap where there is one: between the end of a table and the beginning
// of the next.
func TestGapOfARecreatedTable(t *testing.T) {
	r := newGapRig(t)
	script := gapCompile(t, 0).String()
	r.nft(script)
	flood := r.newFlood()
	flood.begin()
	times := 0
	for until := time.Now().Add(20 * time.Second); flood.acceptedNow() == 0 && time.Now().Before(until); times++ {
		r.nft("delete table inet " + firewall.Table + "\n")
		r.nft(script)
	}
	sent, accepted := flood.result()
	t.Logf("recreated %d times: %s of %s packets were accepted", times, accepted, sent)
	if accepted.total() == 0 {
		t.Error("no packet was accepted: a gap would not have been seen either")
	}
}

// gapCompile is the ruleset of a policy after so many changes: exceptions and sources come and go, pings and forwarding are
// turned on and off. The administrators and the numbered datagrams are let in by all.
func gapCompile(t *testing.T, i int) firewall.Ruleset {
	t.Helper()
	admins := prefixes(gapAdmin+"/32", gapSender+"/32")
	for more := range i % 7 {
		admins = append(admins, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 20, byte(i), byte(16 * more)}), 28))
	}
	p := firewall.Policy{
		Management: []firewall.Exception{{
			Name: "ssh", Ports: []firewall.Ports{{Protocol: firewall.TCP, First: 22, Last: 22}}, From: admins,
		}},
		Allow: []firewall.Exception{gapException(i)},
		Ping:  i%2 == 0, Forward: firewall.Forward(i / 3 % 2),
	}
	for more := range i % 5 {
		p.Allow = append(p.Allow, firewall.Exception{
			Name: fmt.Sprintf("more%d", i+more), Any: more%2 == 0, From: admins[:more%2],
			Ports: []firewall.Ports{{Protocol: firewall.TCP, First: uint16(8000 + more), Last: uint16(8000 + i)}},
		})
	}
	r, err := firewall.Compile(p)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// gapException is the one by which the numbered datagrams come, after so many changes: their sender is one of a few
// addresses, one of many, which are in a set of another kind, or in a network; their port alone, one of several, in a range,
// or both.
func gapException(i int) firewall.Exception {
	e := firewall.Exception{Name: "numbers", From: prefixes([]string{gapSender + "/32", "10.89.0.8/29"}[i/2%2])}
	for more := range []int{0, 3, 20, 21}[i%4] {
		e.From = append(e.From, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 30, byte(i / 4), byte(2 * more)}), 32))
	}
	for more := range i % 3 {
		e.From = append(e.From, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 40, byte(i), byte(16 * more)}), 28))
	}
	port := func(first, last uint16) firewall.Ports {
		return firewall.Ports{Protocol: firewall.UDP, First: first, Last: last}
	}
	e.Ports = [][]firewall.Ports{
		{port(gapNumbers, gapNumbers)},
		{port(gapNumbers, gapNumbers), port(53, 53)},
		{port(160, 162+uint16(i)), port(53, 53)},
		{port(gapNumbers, gapNumbers), port(5000, 5000+uint16(i))},
		{port(150, 165), port(1000, 1000+uint16(i))},
	}[i%5]
	return e
}
