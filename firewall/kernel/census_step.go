package kernel

import (
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
func (r OtherRule) String() string {
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

func capped(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return text[:most] + "..."
}

// visible makes what others wrote fit for a log and a terminal: printable ASCII, and short.
func visible(text string) string {
	quoted := strconv.QuoteToASCII(text)
	return capped(quoted[1:len(quoted)-1], nameText)
}

// worded is a step for a statement of package firewall.
func worded(kind StepKind, s firewall.Statement) Step {
	if v, ok := s.(firewall.Verdict); ok {
		v.Chain = visible(v.Chain)
		s = v
	}
	quoted := strconv.QuoteToASCII(s.String())
	text := strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
	return Step{Kind: kind, Word: s, Text: capped(text, valueText)}
}

func stepOf(kind StepKind, text string) Step { return Step{Kind: kind, Text: capped(text, valueText)} }
