package guard

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"sallyport/firewall"
	"sallyport/firewall/kernel"
)

// knockedAt is a kernel in which many have knocked, and which is slow to say so.
type knockedAt struct {
	slow
	reading time.Duration
	reads   int
}

func (k *knockedAt) Knocks(context.Context) ([]kernel.Knock, error) {
	k.reads++
	time.Sleep(k.reading)
	var list []kernel.Knock
	for i := range 150 {
		for _, from := range []string{"192.0.2.%d", "2001:db8::%d"} {
			list = append(list, kernel.Knock{
				From: netip.MustParseAddr(fmt.Sprintf(from, i)), Protocol: firewall.TCP, Port: 22, Packets: uint64(1000 - i),
			})
		}
	}
	return append(list, kernel.Knock{From: netip.MustParseAddr("192.0.2.1"), Protocol: firewall.UDP, Port: 161}), nil
}

func (*knockedAt) Refused(context.Context) ([]kernel.Refusal, error) {
	return make([]kernel.Refusal, 120), nil
}

// TestTallies holds that they are read now and then, the more rarely the longer it takes, and told in part, with the number
// of all.
func TestTallies(t *testing.T) {
	for _, c := range []struct{ reading, looks, most time.Duration }{
		{time.Millisecond, time.Minute, 13}, {time.Second, 5 * time.Minute, 7},
	} {
		synctest.Test(t, func(t *testing.T) {
			live := &knockedAt{reading: c.reading}
			g := New(live, slog.New(slog.DiscardHandler))
			var last Report
			for began := time.Now(); time.Since(began) < c.looks; time.Sleep(time.Second) {
				last = g.Look(t.Context())
			}
			got := last.Tallies
			if len(got.Knocks) != tallyTop || got.KnockingV4 != 150 || got.KnockingV6 != 150 {
				t.Errorf("%d knocks of %d and %d addresses", len(got.Knocks), got.KnockingV4, got.KnockingV6)
			}
			if len(got.Refused) != tallyTop || got.RefusedCount != 120 || got.Knocks[0].Packets != 1000 {
				t.Errorf("%d of %d refusals, %d packets first", len(got.Refused), got.RefusedCount, got.Knocks[0].Packets)
			}
			if live.reads < 3 || live.reads > int(c.most) {
				t.Errorf("read %d times in %s, at %s each", live.reads, c.looks, c.reading)
			}
		})
	}
}
