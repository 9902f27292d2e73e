package proof

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"sallyport/check"
	"sallyport/firewall"
	"sallyport/firewall/kernel/sockets"
)

// Standing is whether the ruleset judges packets now.
type Standing uint8

// The standings. The zero value is that it is not known.
const (
	StandingUnknown Standing = iota // it could not be read
	StandingInForce                 // the live ruleset is the compiled one
	StandingDrifted                 // it judges packets, and differs from the compiled one
	StandingOpen                    // it does not: missing, dormant, or not wanted
)

const (
	shownListeners = 500 // in the evidence
	shownSources   = 100 // of an exception, in the evidence
	namedInDetail  = 3   // listeners, ports: in one sentence
	longestText    = 64  // of a text that a process chose, in bytes after escaping
)

// Seen is a listener as a report shows it. Its texts are in printable ASCII, and short.
type Seen struct {
	Protocol  string `json:"protocol"`
	Address   string `json:"address"`
	Interface string `json:"interface,omitempty"`
	UID       uint32 `json:"uid"`
	PID       int    `json:"pid,omitempty"`
	Process   string `json:"process,omitempty"`
	Exe       string `json:"exe,omitempty"`
	Unit      string `json:"unit,omitempty"`
	Scope     Scope  `json:"reached_by"`
	Who       string `json:"who"`
	Ways      []Way  `json:"ways,omitempty"`
}

// ListenersEvidence is what the result about listeners carries.
type ListenersEvidence struct {
	Listeners []Seen   `json:"listeners"`
	More      int      `json:"more,omitempty"`   // listeners that were left out, of a host with very many
	Unused    []string `json:"unused,omitempty"` // ports that an exception opens, and on which nothing listens
	Unlisted  []string `json:"unlisted,omitempty"`
	// Hidden says that the processes of some could not be told, for want of rights.
	Hidden bool `json:"hidden_processes,omitempty"`
}

// Listeners judges what listens on a host against the policy, which is nil where none is wanted. A listener that the
// policy does not name is well while the ruleset shuts it, and exposed where the ruleset does not judge packets.
func Listeners(found sockets.Listening, policy *firewall.Policy, standing Standing) check.Result {
	reached := Reach(found.Sockets, policy)
	evidence := ListenersEvidence{Listeners: make([]Seen, 0, len(reached))}
	for _, r := range reached[:min(len(reached), shownListeners)] {
		evidence.Listeners = append(evidence.Listeners, show(r))
	}
	evidence.More = len(reached) - len(evidence.Listeners)
	for _, t := range found.Unlisted {
		evidence.Unlisted = append(evidence.Unlisted, string(t))
	}
	if policy != nil {
		evidence.Unused = Unused(found.Sockets, *policy)
	}
	evidence.Hidden = found.Hidden
	result := judgeListeners(reached, standing)
	for _, note := range evidence.Notes() {
		result.Detail += "; " + note
	}
	result.Evidence = evidence
	return result
}

// judgeListeners is the verdict. Only those count that not everybody is meant to reach.
func judgeListeners(reached []Reached, standing Standing) check.Result {
	guarded := slices.DeleteFunc(slices.Clone(reached), func(r Reached) bool {
		return r.Scope == ScopeInside || r.Scope == ScopeAnyone || r.Listener.Transport == sockets.Packet
	})
	switch {
	case len(guarded) == 0 || standing == StandingInForce:
		return check.Result{Status: check.OK, Detail: census(reached)}
	case standing == StandingOpen:
		return check.Result{
			Status: check.Fail, Cause: check.FirewallExposed,
			Detail: fmt.Sprintf("no ruleset of Sallyport judges packets, and %s, other rules aside: %s",
				answers(len(guarded)), several(guarded)),
			Remedy: "Put the ruleset in force with `sallyport apply`; let what need not be reached listen on 127.0.0.1.",
		}
	case standing == StandingDrifted:
		return check.Result{
			Status: check.Unknown, Cause: check.FirewallDrift,
			Detail: "the live ruleset is not the compiled one, so that the policy does not say who reaches " +
				several(guarded),
			Remedy: "Put the ruleset back with `sallyport apply`; `sallyport verify --twin` tries the live one by packets.",
		}
	default:
		return check.Result{
			Status: check.Unknown, Cause: check.FirewallNotPermitted,
			Detail: "whether a ruleset shuts what the policy does not name could not be told: " + several(guarded),
			Remedy: "Run it as root, or with the capability CAP_NET_ADMIN.",
		}
	}
}

func answers(n int) string {
	if n == 1 {
		return "1 listener answers whoever asks"
	}
	return fmt.Sprintf("%d listeners answer whoever asks", n)
}

// census is how many listeners there are of each scope.
func census(reached []Reached) string {
	if len(reached) == 0 {
		return "nothing listens"
	}
	count := make(map[Scope]int)
	for _, r := range reached {
		count[r.Scope]++
	}
	var words []string
	for _, s := range []struct {
		scope Scope
		words string
	}{
		{ScopeInside, "for this host only"}, {ScopeShut, "shut"}, {ScopeSome, "for whom the policy names"},
		{ScopeAnyone, "for anyone, as the policy says"}, {ScopeUnjudged, "before any rule"},
	} {
		if n := count[s.scope]; n > 0 {
			words = append(words, fmt.Sprintf("%d %s", n, s.words))
		}
	}
	return fmt.Sprintf("%d listening: %s", len(reached), strings.Join(words, ", "))
}

// several names the first few.
func several(reached []Reached) string {
	var words []string
	for _, r := range reached[:min(len(reached), namedInDetail)] {
		words = append(words, Describe(r.Listener))
	}
	if more := len(reached) - namedInDetail; more > 0 {
		words = append(words, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(words, ", ")
}

// Notes is what a reader should know besides the verdict, one sentence each.
func (e ListenersEvidence) Notes() []string {
	var notes []string
	if len(e.Unused) > 0 {
		text := "nothing listens on " + strings.Join(e.Unused[:min(len(e.Unused), namedInDetail)], ", ")
		if more := len(e.Unused) - namedInDetail; more > 0 {
			text += fmt.Sprintf(" and %d more", more)
		}
		notes = append(notes, text+", which the policy opens")
	}
	if len(e.Unlisted) > 0 {
		notes = append(notes, "this kernel cannot list sockets of "+strings.Join(e.Unlisted, ", "))
	}
	if e.Hidden {
		notes = append(notes, "not permitted to see the processes of others (run as root)")
	}
	return notes
}

// Describe is a listener in words: tcp 0.0.0.0:22 ("sshd", pid 812).
func Describe(l sockets.Listener) string {
	text := protocolText(l) + " " + addressText(l)
	if l.Process.PID == 0 {
		return text
	}
	return fmt.Sprintf("%s (%q, pid %d)", text, plain(l.Process.Name), l.Process.PID)
}

func show(r Reached) Seen {
	l := r.Listener
	ways := make([]Way, len(r.Ways))
	for i, w := range r.Ways {
		if more := len(w.From) - shownSources; more > 0 {
			w.From, w.Note = w.From[:shownSources], fmt.Sprintf("and %d more sources", more)
		}
		ways[i] = w
	}
	return Seen{
		Protocol: protocolText(l), Address: addressText(l), Interface: l.Interface, UID: l.UID,
		PID: l.Process.PID, Process: plain(l.Process.Name), Exe: plain(l.Process.Exe), Unit: plain(l.Process.Unit),
		Scope: r.Scope, Who: r.Who(), Ways: ways,
	}
}

func protocolText(l sockets.Listener) string {
	if l.MPTCP {
		return "mptcp"
	}
	return string(l.Transport)
}

// addressText is where it listens, as ss(8) writes it: *:22 is every address of both families.
func addressText(l sockets.Listener) string {
	by := ""
	if l.Interface != "" {
		by = "%" + l.Interface
	}
	switch l.Transport {
	case sockets.Packet:
		const everything = 3 // ETH_P_ALL
		if l.Port == everything {
			return "all frames" + by
		}
		return fmt.Sprintf("frames 0x%04x%s", l.Port, by)
	case sockets.Raw:
		return fmt.Sprintf("%s%s protocol %d", l.Address, by, l.Port)
	}
	host := l.Address.String() + by
	if l.Address.Is6() && l.Address.IsUnspecified() && !l.V6Only {
		host = "*" + by
	}
	return net.JoinHostPort(host, strconv.Itoa(int(l.Port)))
}

// plain is a text of others in printable ASCII, cut.
func plain(text string) string {
	quoted := strconv.QuoteToASCII(text)
	if text = quoted[1 : len(quoted)-1]; len(text) > longestText {
		text = text[:longestText] + "..."
	}
	return text
}
