package census

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"sallyport/firewall"
)

// Step is one statement of a rule of others: a condition, a verdict, or something that is done to the packet.
type Step struct {
	Kind StepKind

	// Word is the statement of a StepMatch (Match, Lookup or FIBMissing), a StepVerdict (Verdict) or a StepPass.
	Word firewall.Statement

	Not      bool     // of a StepLocal: the destination is none of the host's
	Branches []Branch // of a StepBranch
	To       Target   // of a StepDNAT, a StepRedirect, a StepTProxy
	Text     string   // in nft words, or as near to them as could be told; printable ASCII
}

// Branch is one way of a verdict map: the packets whose fields have the values get the verdict.
type Branch struct {
	Fields  []firewall.Field // empty where they have no word
	Values  []firewall.Value // one for each field
	Verdict firewall.Verdict
}

// Target is where packets are led to. What is not known, or is left as it was, is zero.
type Target struct {
	Addr        netip.Addr
	First, Last uint16
}

// StepKind is what a step does.
type StepKind uint8

// The kinds of steps. Those from StepReject to StepSynproxy end the packet's way through the chain, and so do those from
// StepDNAT to StepMasquerade: the chain accepts it.
const (
	StepPass       StepKind = iota // judges nothing: counter, log, comment, a mark, an element added to a set
	StepMatch                      // a condition in the words of package firewall
	StepLocal                      // the condition that the destination is an address of this host
	StepRate                       // the condition of a rate, a number of connections, a share or a time
	StepListed                     // the condition that an address is in a list whose content is not known
	StepTranslated                 // the condition that the addresses of the connection are translated
	StepCondition                  // a condition without a word
	StepVerdict                    // accept, drop, jump, goto, return
	StepBranch                     // a verdict map

	StepReject
	StepQueue    // a program decides
	StepForward  // sent out of another interface at once (fwd)
	StepSynproxy // the kernel answers in the listener's place first
	StepUnknown  // a target without a word: what it does is not known

	StepDNAT
	StepRedirect
	StepSNAT
	StepMasquerade

	StepTProxy    // given to a local socket of another port
	StepNotrack   // hidden from connection tracking
	StepZone      // put into another zone of connection tracking
	StepDuplicate // a copy is sent elsewhere
	StepOffload   // the connection's further packets pass by all chains
	StepRewrite   // an address or a port in the header is overwritten
)

// String is the rule in nft words, capped.
func (r Rule) String() string {
	var b strings.Builder
	for _, s := range r.Steps {
		if s.Text == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(s.Text)
	}
	return capped(b.String(), ruleText)
}

const (
	ruleText  = 300 // bytes of a rule that are told
	nameText  = 64  // of a name that others gave
	valueText = 120 // of one statement
)

// Short is a text of a statement, capped.
func Short(text string) string { return capped(text, valueText) }

func capped(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return text[:most] + "..."
}

// Visible makes what others wrote fit for a log and a terminal: printable ASCII, and short.
func Visible(text string) string {
	quoted := strconv.QuoteToASCII(text)
	return capped(quoted[1:len(quoted)-1], nameText)
}

// Worded is a step for a statement of package firewall.
func Worded(kind StepKind, s firewall.Statement) Step {
	if v, ok := s.(firewall.Verdict); ok {
		v.Chain = Visible(v.Chain)
		s = v
	}
	quoted := strconv.QuoteToASCII(s.String())
	text := strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
	return Step{Kind: kind, Word: s, Text: capped(text, valueText)}
}

// StepOf is a step that has no more than a text, which is capped.
func StepOf(kind StepKind, text string) Step { return Step{Kind: kind, Text: capped(text, valueText)} }

// Text is where a packet is led to, as nft writes it behind a statement: " to 10.0.0.1:80", nothing where it is not known.
func (to Target) Text() string {
	switch {
	case to.Addr.IsValid() && to.First != 0 && to.Addr.Is6():
		return " to [" + to.Addr.String() + "]" + portText(":", to)
	case to.Addr.IsValid():
		return " to " + to.Addr.String() + portText(":", to)
	default:
		return portText(" to :", to)
	}
}

func portText(before string, to Target) string {
	switch {
	case to.First == 0:
		return ""
	case to.Last > to.First:
		return fmt.Sprintf("%s%d-%d", before, to.First, to.Last)
	default:
		return fmt.Sprintf("%s%d", before, to.First)
	}
}

// LocalStep is the condition that the destination is an address of this host, or is none.
func LocalStep(not bool) Step {
	text := "fib daddr type local"
	if not {
		text = "fib daddr type != local"
	}
	return Step{Kind: StepLocal, Not: not, Text: text}
}
