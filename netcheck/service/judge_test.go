package service

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"sallyport/check"
)

func knowing() knowledge {
	k := knowledge{targets: []Target{
		{Check: "directory", Host: "dc1.corp.example", Port: 636},
		{Check: "console", Host: "10.0.0.9", Port: 443},
		{Check: "lab", Host: "dc1.corp.example", Port: 389, StartTLS: true},
		{Check: "console", Host: "10.0.0.80", Port: 80, Proxy: true},
	}, addresses: new(Addresses)}
	k.addresses.Learn("dc1.corp.example", []netip.Addr{netip.MustParseAddr("10.0.0.7")})
	return k
}

func to(remote string, state State) Connection {
	return Connection{Remote: netip.MustParseAddrPort(remote), State: state, ID: 1}
}

// TestJudge takes each form of a connection as the kernel had it in real ones, and its neighbours that are well.
func TestJudge(t *testing.T) {
	t.Parallel()
	syn := to("10.0.0.7:636", SynSent)
	syn.Waits, syn.Retransmits, syn.RTO, syn.Expires = WaitsForAck, 6, 4*time.Second, 2*time.Second
	young := syn
	young.Retransmits, young.RTO, young.Expires = 1, time.Second, 500*time.Millisecond
	again := to("10.0.0.7:636", Established)
	again.Waits, again.Retransmits, again.RTO, again.Expires = WaitsForAck, 5, 6528*time.Millisecond, 4256*time.Millisecond
	again.SendQueue = 100
	once := again
	once.Retransmits, once.RTO, once.Expires = 2, 800*time.Millisecond, 700*time.Millisecond
	full := to("10.0.0.9:443", Established)
	full.Waits, full.Retransmits, full.SendQueue = WaitsForWindow, 4, 70
	fails, warns, timeout, plain := check.Fail, check.Warn, check.ConnectTimeout, check.PostureOutboundEncrypted
	const dc1 = "the server of the check directory, dc1.corp.example:636 (10.0.0.7:636)"
	cases := map[string]struct {
		c      Connection
		since  time.Duration
		status check.Status
		cause  check.Cause
		words  string
	}{
		"well":            {c: to("10.0.0.7:636", Established)},
		"a SYN just sent": {c: young},
		"a SYN without an answer": {syn, 0, fails, timeout,
			"no answer from " + dc1 + " for 9 s: the SYN was sent again 6 times"},
		"seen for long": {young, 4 * time.Second, fails, timeout, "for 4 s: the SYN was sent again once"},
		"sent again": {again, 0, fails, timeout,
			"acknowledges nothing for 9 s: 100 bytes were sent again 5 times"},
		"sent again for a moment": {c: once},
		"takes nothing in": {full, 0, warns, timeout,
			"the server of the check console, 10.0.0.9:443 takes nothing more in: 70 bytes wait"},
		"plain LDAP": {to("10.0.0.8:389", Established), 0, fails, plain,
			"a connection to 10.0.0.8:389, which is LDAP without"},
		"a plain global catalog": {to("10.0.0.8:3268", Established), 0, fails, plain, "global catalog"},
		"plain HTTP":             {to("[2001:db8::1]:80", Established), 0, warns, plain, "[2001:db8::1]:80, which is HTTP"},
		"StartTLS":               {c: to("10.0.0.7:389", Established)},
		"a proxy":                {c: to("10.0.0.80:80", Established)},
		"a proxy is silent": {Connection{Remote: netip.MustParseAddrPort("10.0.0.80:80"), State: SynSent}, 5 * time.Second,
			fails, timeout, "no answer from the proxy of the check console, 10.0.0.80:80 for 5 s"},
		"closed by the peer": {c: to("10.0.0.7:636", CloseWait), since: 50 * time.Second},
		"closed long ago": {to("10.0.0.7:636", CloseWait), 3 * time.Minute, check.OK, "",
			dc1 + " has closed a connection, and the tool has not for 3 min"},
		"without a time": {c: Connection{Remote: syn.Remote, State: Established, Waits: WaitsForAck, Retransmits: 9}},
	}
	for name, c := range cases {
		got := knowing().judge([]Connection{c.c}, func(Connection) time.Duration { return c.since })
		if c.words == "" {
			if len(got) != 0 {
				t.Errorf("%s: found %+v", name, got)
			}
			continue
		}
		if len(got) != 1 || got[0].Status != c.status || got[0].Cause != c.cause ||
			!strings.Contains(got[0].Detail, c.words) || got[0].Status != check.OK && got[0].remedy == "" {
			t.Errorf("%s: %+v", name, got)
		}
	}
	never := func(Connection) time.Duration { return 0 }
	all := knowing().judge([]Connection{full, to("10.0.0.7:636", Established), syn}, never)
	if len(all) != 2 || all[0].Status != check.Fail || all[0].Remote != "10.0.0.7:636" {
		t.Errorf("the worst is not the first: %+v", all)
	}
}

// TestSilent holds the time without an answer to what real sockets had after 9 seconds.
func TestSilent(t *testing.T) {
	t.Parallel()
	ms := time.Millisecond
	for want, c := range map[time.Duration]Connection{
		8920 * ms: {State: SynSent, Waits: WaitsForAck, Retransmits: 6, RTO: 4000 * ms, Expires: 2080 * ms},
		3500 * ms: {State: SynSent, Waits: WaitsForAck, Retransmits: 3, RTO: 1000 * ms, Expires: 500 * ms},
		8000 * ms: {State: SynSent, Waits: WaitsForAck, Retransmits: 3, RTO: 8000 * ms, Expires: 7000 * ms}, // older
		8596 * ms: {State: Established, Waits: WaitsForAck, Retransmits: 5, RTO: 6528 * ms, Expires: 4256 * ms},
		0:         {State: Established, RTO: 1000 * ms, Retransmits: 3},
	} {
		if got := c.silent(); got != want {
			t.Errorf("%+v: %s, want %s", c, got, want)
		}
	}
	for _, retransmits := range []int{-1, 0, 1, 62, 1 << 30} {
		for _, rto := range []time.Duration{-1, 1, time.Second, 1 << 62} {
			for _, state := range []State{SynSent, Established} {
				c := Connection{State: state, Waits: WaitsForAck, Retransmits: retransmits, RTO: rto, Expires: 1 << 40}
				if c.silent() < 0 {
					t.Errorf("%+v: %s", c, c.silent())
				}
			}
		}
	}
}
