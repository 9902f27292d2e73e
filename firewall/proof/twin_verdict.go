package proof

import (
	"errors"
	"fmt"

	"sallyport/check"
	"sallyport/firewall/kernel"
	"sallyport/firewall/kernel/sockets"
)

// shownDifferences is how many are in the evidence.
const shownDifferences = 50

// TwinEvidence is what the result of a twin carries. Its texts are in printable ASCII.
type TwinEvidence struct {
	Packets int              `json:"packets"`
	Sources int              `json:"sources"`
	Ports   int              `json:"ports"`
	Omitted int              `json:"omitted,omitempty"`
	Tables  []string         `json:"tables,omitempty"`
	Untried []string         `json:"untried,omitempty"`
	Wrong   []DifferenceSeen `json:"wrong,omitempty"`
	More    int              `json:"more,omitempty"` // differences that are left out
}

// DifferenceSeen is a difference as a report shows it.
type DifferenceSeen struct {
	Packet   string `json:"packet"`
	Fate     Fate   `json:"fate"`
	Suspect  string `json:"suspect,omitempty"`  // the table that is why
	Listener string `json:"listener,omitempty"` // what listens there
}

// JudgeTwin says what a twin means; err is that of TryTwin.
func JudgeTwin(t Twin, err error, listeners []sockets.Listener) check.Result {
	if err != nil {
		return noTwin(err)
	}
	evidence := TwinEvidence{
		Packets: t.Packets, Sources: t.Sources, Ports: t.Ports, Omitted: t.Omitted, Untried: t.Untried,
		More: max(0, len(t.Wrong)-shownDifferences),
	}
	for _, id := range t.Tables {
		evidence.Tables = append(evidence.Tables, id.String())
	}
	for _, d := range t.Wrong[:min(len(t.Wrong), shownDifferences)] {
		evidence.Wrong = append(evidence.Wrong, d.show(listeners))
	}
	if t.Admits == t.Packets {
		return check.Result{
			Status: check.Unknown, Cause: check.FirewallUnsupported, Evidence: evidence,
			Detail: "there is nobody whom the policy does not name and who could come to this host: " + t.String(),
			Remedy: "Give the host a route; without one, only those on its own networks reach it.",
		}
	}
	if len(t.Wrong) == 0 {
		return check.Result{
			Status: check.OK, Detail: t.String() + ": each met the fate that the policy says", Evidence: evidence,
		}
	}
	worst := worstDifference(t.Wrong)
	result := worst.verdict()
	result.Detail = fmt.Sprintf("%s (%s)", worst.in(listeners), t)
	if more := len(t.Wrong) - 1; more > 0 {
		result.Detail = fmt.Sprintf("%s, and %d more packets met another fate than the policy says (%s)",
			worst.in(listeners), more, t)
	}
	result.Evidence = evidence
	return result
}

// worstDifference is one of who gets in, else of management that does not, else the first.
func worstDifference(all []Difference) Difference {
	for _, is := range []func(Difference) bool{
		func(d Difference) bool { return d.Fate == FateIn },
		func(d Difference) bool { return d.Fate == FatePassedOn },
		func(d Difference) bool { return d.Management },
	} {
		for _, d := range all {
			if is(d) {
				return d
			}
		}
	}
	return all[0]
}

// verdict is the status, cause and remedy of a difference.
func (d Difference) verdict() check.Result {
	r := check.Result{Status: check.Fail}
	switch {
	case d.Fate != FateKeptOut && d.Suspect != nil:
		r.Cause = check.FirewallBypass
		r.Remedy = fmt.Sprintf("See `nft list %s`: take out, or narrow, what rewrites or lets in these packets.", d.Suspect)
	case d.Fate != FateKeptOut:
		r.Cause = check.FirewallExposed
		r.Remedy = "Put the ruleset in force with `sallyport apply`; `sallyport plan` says how the live one differs."
	case d.Suspect != nil:
		r.Cause = check.FirewallForeignDrop
		r.Remedy = fmt.Sprintf("See `nft list %s`: let in there too what the policy lets in.", d.Suspect)
	default:
		r.Cause = check.FirewallLockout
		r.Remedy = "Put the ruleset in force with `sallyport apply`; `sallyport plan` says how the live one differs."
	}
	return r
}

// in is the difference in words.
func (d Difference) in(listeners []sockets.Listener) string {
	text := d.Packet.String()
	switch d.Fate {
	case FateIn:
		text += " gets in, which the policy does not say"
	case FatePassedOn:
		text += " is passed on to somebody else, which the policy does not say"
	default:
		text += " is kept out, though the policy lets it in"
	}
	if d.Suspect != nil {
		text += fmt.Sprintf("; it is because of the %s", d.Suspect)
	}
	if l := d.listener(listeners); l != "" {
		text += "; there listens " + l
	}
	return text
}

func (d Difference) show(listeners []sockets.Listener) DifferenceSeen {
	s := DifferenceSeen{Packet: d.Packet.String(), Fate: d.Fate, Listener: d.listener(listeners)}
	if d.Suspect != nil {
		s.Suspect = d.Suspect.String()
	}
	return s
}

// listener describes what listens where the packet went.
func (d Difference) listener(listeners []sockets.Listener) string {
	for _, l := range listeners {
		protocol, ok := protocolOf(l.Transport)
		if ok && protocol == d.Packet.Protocol && l.Port == d.Packet.Port && !l.Loopback() && takes(l, d.Packet.To) {
			return Describe(l)
		}
	}
	return ""
}

// noTwin is the result where nothing was proved.
func noTwin(err error) check.Result {
	r := check.Result{Status: check.Unknown, Cause: check.UnknownIn(check.LayerFirewall), Detail: err.Error()}
	switch {
	case errors.Is(err, kernel.ErrNoNamespace), errors.Is(err, kernel.ErrNotPermitted):
		r.Cause = check.FirewallNotPermitted
		r.Remedy = "Run it as root: a twin needs a network namespace and TUN devices of its own."
	case errors.Is(err, ErrNoPackets), errors.Is(err, ErrNoTwin), errors.Is(err, kernel.ErrNoNftables):
		r.Cause = check.FirewallUnsupported
		r.Remedy = "The error names what this kernel cannot; `sallyport verify` without --twin still compares and looks."
	}
	return r
}
