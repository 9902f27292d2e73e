package firewall

import (
	"strings"
	"time"
)

// Table is the name of the one table that Sallyport owns, in the family inet.
const Table = "sallyport"

// Ruleset is what the kernel should hold, or holds, in the table inet sallyport: a plain value that Compile makes, package
// kernel writes and reads, String prints and Diff compares.
type Ruleset struct {
	Dormant  bool // the table's hooks are not registered: it is there, and judges nothing
	Counters []string
	Sets     []Set
	Chains   []Chain
}

// Chain is a list of rules: a base chain where Hook is set, otherwise a regular chain that others jump to.
type Chain struct {
	Name  string
	Hook  *Hook
	Rules []Rule
	Note  string // for the reader of the text; not in the kernel, and Diff passes it by
}

// Hook is where a base chain meets packets, and what becomes of those that no rule judges.
type Hook struct {
	Name     string // prerouting, input, forward, output or postrouting
	Priority int32  // lower is earlier: raw is -300, filter is 0 (linux/netfilter_ipv4.h)
	Drop     bool   // the policy is drop, not accept

	// Type is the chain type: filter when empty. Others (nat, route) are met only in chains that are not ours.
	Type string
}

// Rule is a list of statements, judged from the left: the first match that fails ends it.
type Rule struct {
	Statements []Statement
	Comment    string // at most 128 bytes (NFTNL_UDATA_COMMENT_MAXLEN), without a double quote
	Note       string // for the reader of the text; not in the kernel, and Diff passes it by
}

// KeyType is a data type of set keys, by its nft name.
type KeyType string

// The data types of keys that this vocabulary has.
const (
	IPv4Addr    KeyType = "ipv4_addr"
	IPv6Addr    KeyType = "ipv6_addr"
	InetProto   KeyType = "inet_proto"
	InetService KeyType = "inet_service"
	Mark        KeyType = "mark"
	IfName      KeyType = "ifname"
	UID         KeyType = "uid"
	NFProto     KeyType = "nf_proto" // NFProtoIPv4 or NFProtoIPv6
)

// Set is a named set. Its elements are in ascending order and do not overlap.
type Set struct {
	Name     string
	Key      []KeyType     // more than one: a concatenation
	Interval bool          // elements may be ranges
	Dynamic  bool          // the packet path adds elements; what is in it is not part of the ruleset
	Timed    bool          // elements may expire
	Timeout  time.Duration // of elements that bring none; 0: they stay
	Size     uint32        // at most so many elements; 0: no bound
	Elements []Element

	// Foreign says what this vocabulary has no word for, such as "map" or "flags constant"; never set by Compile.
	Foreign string
}

// Element is one element of a set: one value for each part of the key.
type Element struct {
	Key     []Value
	Timeout time.Duration // 0: that of the set
}

// PolicyHash is the hash of the policy that the ruleset was compiled from ("sha256:" and 64 hex digits), or empty where
// it does not say; of one that has a candidate beside it, that of the committed one. It stands in the comment of a rule of
// the input chain: a table's or a chain's own comment cannot be changed without recreating it (nf_tables_updtable,
// nf_tables_updchain), which would open a gap.
func (r Ruleset) PolicyHash() string { return r.hashIn(chainInput) }

// TrialHash is the PolicyHash of the candidate that stands beside the committed ruleset, or empty where none does.
func (r Ruleset) TrialHash() string { return r.hashIn(OnTrial(chainInput)) }

func (r Ruleset) hashIn(chain string) string {
	for _, c := range r.Chains {
		if c.Name != chain {
			continue
		}
		for _, rule := range c.Rules {
			if hash, ok := strings.CutPrefix(rule.Comment, commentPrefix); ok {
				return hash
			}
		}
	}
	return ""
}
