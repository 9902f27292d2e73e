package proof

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"sallyport/check"
	"sallyport/firewall"
	"sallyport/firewall/kernel/sockets"
)

func TestLiveTargets(t *testing.T) {
	listeners := []sockets.Listener{
		tcpAt("[::]:22"), v6Only(tcpAt("[::]:23")), tcpAt("0.0.0.0:24"), tcpAt("10.20.0.1:25"), tcpAt("127.0.0.1:26"),
		udpAt("[2001:db8::1]:27"), udpAt("[fe80::1]:28"), socketAt(sockets.SCTP, "0.0.0.0:29"), tcpAt("[::]:22"),
	}
	for kind, want := range map[uint8][]string{
		ipv4: {"tcp 0.0.0.0:22", "tcp 0.0.0.0:24", "tcp 10.20.0.1:25", "tcp 0.0.0.0:4444", "udp 0.0.0.0:4444"},
		ipv6: {"tcp [::]:22", "tcp [::]:23", "udp [2001:db8::1]:27", "tcp [::]:4444", "udp [::]:4444"},
	} {
		var got []string
		for _, target := range liveTargetsOf(listeners, *examplePolicy(), kind) {
			got = append(got, protocolName(target.Protocol)+" "+target.To.String())
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", familyName(kind), got, want)
		}
	}
}

func TestJudgeLive(t *testing.T) {
	answer := func(to string, in bool, says Says) LiveAnswer {
		target := LiveTarget{Protocol: firewall.TCP, To: netip.MustParseAddrPort(to)}
		return LiveAnswer{LiveTarget: target, From: netip.MustParseAddr("198.18.0.9"), By: "sp-0", In: in, Says: says}
	}
	listeners := []sockets.Listener{tcpAt("0.0.0.0:22"), tcpAt("0.0.0.0:8000")}
	for name, c := range map[string]struct {
		answer LiveAnswer
		cause  check.Cause
		says   string
	}{
		"shut":             {answer("0.0.0.0:22", false, SaysNothing), "", "1 packets of a stranger, 198.18.0.9: each"},
		"open, as it says": {answer("0.0.0.0:8000", true, SaysAccepted), "", "each met"},
		"accepted":         {answer("0.0.0.0:22", true, SaysAccepted), check.FirewallExposed, "through to tcp 0.0.0.0:22"},
		"in, in silence":   {answer("0.0.0.0:22", true, SaysNothing), check.FirewallExposed, "gets through"},
		"a closed port":    {answer("0.0.0.0:9", true, SaysRefused), check.FirewallExposed, "where nothing listens"},
		"led to elsewhere": {answer("0.0.0.0:22", false, SaysRefused), check.FirewallExposed, "gets through"},
		"kept out":         {answer("0.0.0.0:8000", false, SaysNothing), check.FirewallForeignDrop, "does not get in"},
	} {
		got := judgeLive([]LiveAnswer{c.answer}, *examplePolicy(), listeners, LiveEvidence{})
		if got.Cause != c.cause || !strings.Contains(got.Detail, c.says) || (got.Status == check.OK) != (c.cause == "") {
			t.Errorf("%s: %s %s %q", name, got.Status, got.Cause, got.Detail)
		}
	}
}
