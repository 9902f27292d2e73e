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
// nothing in, lose nothing of an exception that stays as it is, and do not disturb who looks after the host.
func TestNoGap(t *testing.T) {
	const changes = 1000
	if lost := newGapRig(t).noGap(changes, gapCompile); lost > 0 {
		t.Errorf("%d permitted datagrams were lost", lost)
	}
}

// TestNoGapOfTrials holds the same for trials that begin and end, but for what is permitted: the kernel makes the elements
// of a new set visible to packets only some 0.1 ms after the rules that look into it (kernel 6.18).
func TestNoGapOfTrials(t *testing.T) {
	const changes = 100
	r := newGapRig(t)
	r.noGap(changes, func(t *testing.T, i int) firewall.Ruleset {
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

// noGap puts one ruleset after the other in force under a flood, and says how many permitted datagrams were lost.
func (r *gapRig) noGap(changes int, ruleset func(*testing.T, int) firewall.Ruleset) (lost int) {
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
	if datagrams < uint64(changes) {
		t.Errorf("only %d permitted datagrams were sent", datagrams)
	}
	if broken != nil || echoes < changes {
		t.Errorf("the session broke after %d echoes: %v", echoes, broken)
	}
	return lost
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
		Allow: []firewall.Exception{{
			Name: "numbers", Ports: []firewall.Ports{{Protocol: firewall.UDP, First: gapNumbers, Last: gapNumbers}},
			From: admins[:2],
		}},
		Ping: i%2 == 0, Forward: firewall.Forward(i / 3 % 2),
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
