package proof

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"sallyport/check"
	"sallyport/firewall"
	"sallyport/firewall/kernel/sockets"
)

// maxLiveTargets bounds the targets of one family: those of a host that listens on more are left out, and counted.
const maxLiveTargets = 2048

// LiveEvidence is what the result of a stranger's packets carries. Its texts are in printable ASCII.
type LiveEvidence struct {
	Answers []LiveSeen `json:"answers"`
	Omitted int        `json:"omitted,omitempty"` // listeners that were not tried
	Untried []string   `json:"untried,omitempty"`
}

// LiveSeen is what came of one packet of the stranger.
type LiveSeen struct {
	Protocol string `json:"protocol"`
	To       string `json:"to"`
	From     string `json:"from"`
	In       bool   `json:"in"`   // it came past every rule
	Says     string `json:"says"` // how the host answered
	Admitted bool   `json:"admitted"`
	Listener string `json:"listener,omitempty"`
}

// TryLive sends packets of a made-up stranger to everything that listens on this very host, in the network namespace of
// the calling thread, and to ports on which nothing does, and judges what came of them by the policy (see Live).
func TryLive(ctx context.Context, policy firewall.Policy, listeners []sockets.Listener) check.Result {
	var evidence LiveEvidence
	var all []LiveAnswer
	var failure error
	for _, kind := range []uint8{ipv4, ipv6} {
		targets := liveTargetsOf(listeners, policy, kind)
		if more := len(targets) - maxLiveTargets; more > 0 {
			targets, evidence.Omitted = targets[:maxLiveTargets], evidence.Omitted+more
		}
		answers, err := Live(ctx, targets)
		if err != nil {
			failure = cmp.Or(failure, err) // the other family's is among what was not tried
			evidence.Untried = append(evidence.Untried, fmt.Sprintf("%s: %v", familyName(kind), err))
			continue
		}
		all = append(all, answers...)
	}
	if len(all) == 0 {
		return noLive(failure)
	}
	return judgeLive(all, policy, listeners, evidence)
}

// liveTargetsOf are the listeners that take packets of a family, and a port of each protocol on which nothing listens and
// of which the policy does not speak.
func liveTargetsOf(listeners []sockets.Listener, policy firewall.Policy, kind uint8) []LiveTarget {
	everywhere := netip.IPv4Unspecified()
	if kind == ipv6 {
		everywhere = netip.IPv6Unspecified()
	}
	var list []LiveTarget
	add := func(t LiveTarget) {
		if !slices.Contains(list, t) && t.To.Port() != 0 {
			list = append(list, t)
		}
	}
	for _, l := range listeners {
		protocol, ok := protocolOf(l.Transport)
		if !ok || l.Loopback() || l.Address.IsMulticast() || l.Address.IsLinkLocalUnicast() || !takes(l, everywhere) {
			continue
		}
		to := l.Address
		if to.IsUnspecified() {
			to = everywhere
		}
		add(LiveTarget{Protocol: protocol, To: netip.AddrPortFrom(to, l.Port)})
	}
	for _, protocol := range []firewall.Protocol{firewall.TCP, firewall.UDP} {
		port := unnamedPort(slices.Concat(policy.Management, policy.Allow))
		add(LiveTarget{Protocol: protocol, To: netip.AddrPortFrom(everywhere, port)})
	}
	return list
}

// judgeLive says what answers mean. Any answer counts, a reset too: the packet may have been led to another port, of which
// no ear tells.
func judgeLive(all []LiveAnswer, policy firewall.Policy, listeners []sockets.Listener, evidence LiveEvidence) check.Result {
	var exposed, shut []string
	for _, a := range all {
		admitted := policy.AdmitsBy(a.By, a.From, a.Protocol, a.To.Port())
		got := a.In || a.Says != SaysNothing
		evidence.Answers = append(evidence.Answers, a.show(admitted, listeners))
		switch {
		case got && !admitted:
			exposed = append(exposed, a.words(listeners))
		case admitted && !got:
			shut = append(shut, a.words(listeners))
		}
	}
	result := check.Result{Status: check.OK, Evidence: evidence}
	tried := fmt.Sprintf("%d packets of a stranger, %s", len(all), strings.Join(strangers(all), " and "))
	switch {
	case len(exposed) > 0:
		result.Status, result.Cause = check.Fail, check.FirewallExposed
		result.Detail = fmt.Sprintf("a stranger gets through to %s (%s)", few(exposed), tried)
		result.Remedy = "Put the ruleset in force with `sallyport apply`; `sallyport verify --twin` finds what lets it in."
	case len(shut) > 0:
		result.Status, result.Cause = check.Fail, check.FirewallForeignDrop
		result.Detail = fmt.Sprintf("a stranger does not get in to %s, though the policy lets in anybody (%s)",
			few(shut), tried)
		result.Remedy = "`sallyport verify --twin` finds the table that stands before it."
	default:
		result.Detail = tried + ": each met the fate that the policy says"
	}
	if len(evidence.Untried) > 0 {
		result.Detail += "; not tried: " + evidence.Untried[0]
	}
	return result
}

func strangers(all []LiveAnswer) []string {
	var list []string
	for _, a := range all {
		if from := a.From.String(); !slices.Contains(list, from) {
			list = append(list, from)
		}
	}
	return list
}

// few is the first of the words, each once: a listener is tried by both families.
func few(words []string) string {
	slices.Sort(words)
	words = slices.Compact(words)
	text := strings.Join(words[:min(len(words), namedInDetail)], ", ")
	if more := len(words) - namedInDetail; more > 0 {
		text += fmt.Sprintf(", and %d more", more)
	}
	return text
}

func (a LiveAnswer) listener(listeners []sockets.Listener) string {
	packet := TwinPacket{To: a.To.Addr(), Protocol: a.Protocol, Port: a.To.Port()}
	return Difference{Packet: packet}.listener(listeners)
}

// words is what was tried, by what listens there where something does.
func (a LiveAnswer) words(listeners []sockets.Listener) string {
	if l := a.listener(listeners); l != "" {
		return l
	}
	return fmt.Sprintf("%s %s (where nothing listens)", protocolName(a.Protocol), a.To)
}

func (a LiveAnswer) show(admitted bool, listeners []sockets.Listener) LiveSeen {
	return LiveSeen{
		Protocol: protocolName(a.Protocol), To: a.To.String(), From: a.From.String(), In: a.In, Says: a.Says.String(),
		Admitted: admitted, Listener: a.listener(listeners),
	}
}

// noLive is the result where nothing was proved.
func noLive(err error) check.Result {
	return check.Result{
		Status: check.Unknown, Cause: check.FirewallNotPermitted, Detail: fmt.Sprint(err),
		Remedy: "Run it as root, where /dev/net/tun is; `sallyport verify` without --live still compares and looks.",
	}
}
