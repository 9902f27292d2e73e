package service

import (
	"net/netip"
	"slices"
	"testing"
	"time"
)

// TestMeets holds what the evidence says of the faults that checks may meet too: all of them, by the names of the checks,
// without what is only worth knowing.
func TestMeets(t *testing.T) {
	k := knowledge{targets: []Target{{Check: "dc1", Host: "dc1.corp.example", Port: 636}}, addresses: new(Addresses)}
	k.addresses.Learn("dc1.corp.example", []netip.Addr{netip.MustParseAddr("10.0.0.7"), netip.MustParseAddr("fd77::7")})
	to := func(remote string, state State) Connection {
		return Connection{Remote: netip.MustParseAddrPort(remote), State: state}
	}
	found := k.judge([]Connection{
		to("10.0.0.7:636", SynSent), to("[fd77::7]:636", SynSent), to("10.0.0.9:389", Established),
		to("10.0.0.7:636", CloseWait), to("10.0.0.9:636", SynSent),
		to("10.0.0.9:636", SynSent),
	}, func(Connection) time.Duration { return time.Hour })
	e := &Evidence{Findings: found[:1], met: found}
	var got []string
	for _, met := range e.Meets() {
		got = append(got, met.Address+" "+met.Status.String()+" "+string(met.Cause))
		if met.Detail == "" {
			t.Errorf("%s says nothing", met.Address)
		}
	}
	want := []string{
		"dc1.corp.example:636 (10.0.0.7) fail connect.timeout", "dc1.corp.example:636 (fd77::7) fail connect.timeout",
		"10.0.0.9:389 fail posture.outbound.encrypted", "10.0.0.9:636 fail connect.timeout",
	}
	if slices.Sort(got); !slices.Equal(got, slices.Sorted(slices.Values(want))) {
		t.Errorf("got %q, want %q", got, want)
	}
	if none := (*Evidence)(nil); none.Meets() != nil {
		t.Error("no evidence meets something")
	}
}
