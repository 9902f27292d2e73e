package control

import (
	"encoding/json"
	"net/netip"
	"time"

	"sallyport/check"
)

// Verb names what a request asks for.
type Verb string

const (
	// VerbStatus asks the prober what it believes of every check. The answer is the document of `sallyport status`.
	VerbStatus Verb = "status"
	// VerbReload asks either process to read its configuration again. The request is a Reload, the answer empty.
	VerbReload Verb = "reload"
	// VerbRejected tells the prober that a configuration was refused elsewhere. The request is a Rejected.
	VerbRejected Verb = "rejected"
	// VerbApply asks the guard to put its configuration in force now. The request is an Apply, the answer a check.Result.
	VerbApply Verb = "apply"
	// VerbLearned tells the guard where names lead. The request is a Learned, the answer a NotLearned.
	VerbLearned Verb = "learned"
	// VerbConnections asks the guard for the connections that the user of its configuration's service has now. The request
	// is empty, the answer a Connections.
	VerbConnections Verb = "connections"
	// VerbTry asks the guard to put its configuration on trial. The request is a Try, the answer a Trial.
	VerbTry Verb = "try"
	// VerbConfirm and VerbRollback ask the guard to end the trial that runs, one way or the other. The answer is an Ending.
	VerbConfirm  Verb = "confirm"
	VerbRollback Verb = "rollback"
	// VerbTrace asks the guard what becomes of a connection attempt, in two turns: the request is a Trace, the caller's
	// part is the attempt, the answer a Traced.
	VerbTrace Verb = "trace"
	// VerbReports asks the guard for a stream of Report: the last one at once, then each as it comes.
	VerbReports Verb = "reports"
)

// Reload is the request of VerbReload.
type Reload struct {
	// Digest is the SHA-256 of the configuration file that the sender has read and found good, in hex. The receiver
	// refuses to load any other, so that two processes never end with two configurations. Empty: whatever is there.
	Digest string `json:"digest,omitempty"`
	Step   Step   `json:"step,omitempty"`
}

// Step is one of the two steps of a reload that several processes must take together. Without a step, a reload is done
// at once.
type Step string

const (
	// Prepare loads a configuration and makes all that it needs, so that what follows cannot fail; the running one stays.
	Prepare Step = "prepare"
	// Commit takes what was prepared.
	Commit Step = "commit"
	// Abandon forgets what was prepared.
	Abandon Step = "abandon"
)

// Rejected is the request of VerbRejected.
type Rejected struct {
	Reason string `json:"reason"`
}

// Apply is the request of VerbApply.
type Apply struct {
	File   string `json:"file"`   // the configuration that the sender means; must be the guard's own
	Digest string `json:"digest"` // as in Reload
	// Force puts it in force even if it shuts out who is connected to a management port now.
	Force bool `json:"force,omitempty"`
}

// Learned is the request of VerbLearned: what resolvers say. The guard lets out only what its own configuration names.
type Learned struct {
	Names []LearnedName `json:"names"`
}

// LearnedName is where one name leads.
type LearnedName struct {
	Name      string           `json:"name"`
	Addresses []LearnedAddress `json:"addresses"`
}

// LearnedAddress is an address of a name.
type LearnedAddress struct {
	Addr netip.Addr `json:"addr"`
	TTL  int64      `json:"ttl_seconds"` // for how long the answer may be kept; 0: nobody said
}

// NotLearned is the answer of VerbLearned: what is not let out.
type NotLearned struct {
	Refused []RefusedAddress `json:"refused,omitempty"`
}

// RefusedAddress is an address that a name has and that is not let out for it, and why: it is a loopback address, say.
type RefusedAddress struct {
	Name string     `json:"name"`
	Addr netip.Addr `json:"addr"`
	Why  string     `json:"why"`
}

// Connections is the answer of VerbConnections.
type Connections struct {
	UID    uint32       `json:"uid"`
	NoUser string       `json:"no_user,omitempty"` // why the user is not known; then there is nothing else
	List   []Connection `json:"list,omitempty"`
	Total  int          `json:"total"` // of all; more than are listed where there are many
}

// Connection is a TCP connection, with the numbers that the kernel has for its state and its timer (linux/tcp_states.h,
// struct inet_diag_msg).
type Connection struct {
	Local            netip.AddrPort `json:"local"`
	Remote           netip.AddrPort `json:"remote"`
	State            uint8          `json:"state"`
	ID               uint64         `json:"id"`
	Timer            uint8          `json:"timer,omitempty"`
	Retransmits      int            `json:"retransmits,omitempty"` // in a row
	Expires          time.Duration  `json:"expires_ns,omitempty"`  // of the timer
	RTO              time.Duration  `json:"rto_ns,omitempty"`
	ReceiveQueue     uint32         `json:"receive_queue,omitempty"`
	SendQueue        uint32         `json:"send_queue,omitempty"`
	RTT              time.Duration  `json:"rtt_ns,omitempty"`
	TotalRetransmits uint32         `json:"total_retransmits,omitempty"`
}

// Try is the request of VerbTry.
type Try struct {
	Apply
	Within time.Duration `json:"within_ns"` // until it undoes itself
}

// Trial is the answer to VerbTry: a trial that runs.
type Trial struct {
	Deadline time.Time     `json:"deadline"`
	Left     time.Duration `json:"left_ns"`
}

// Ending is the answer to VerbConfirm and VerbRollback. Where it says neither, the trial was ended as asked for.
type Ending struct {
	None bool   `json:"none,omitempty"` // no trial ran
	Over string `json:"over,omitempty"` // the trial had come to nothing already: when and why, in words
}

// Trace is the request of VerbTrace.
type Trace struct {
	To  netip.AddrPort `json:"to"`
	UDP bool           `json:"udp,omitempty"` // else TCP
	UID uint32         `json:"uid"`           // whose sockets make the attempt
}

// Traced is the answer to VerbTrace: where the attempt ended on this host. Without a table and not lost, it did not end
// here. Texts are printable ASCII, and short.
type Traced struct {
	Packets int    `json:"packets"` // that were seen; with none, nothing is known
	Family  string `json:"family,omitempty"`
	Table   string `json:"table,omitempty"`
	Chain   string `json:"chain,omitempty"`
	Handle  uint64 `json:"handle,omitempty"` // of the rule; 0: the policy of the chain
	Rule    string `json:"rule,omitempty"`
	Comment string `json:"comment,omitempty"`
	Queued  bool   `json:"queued,omitempty"` // handed to a program that did not give it back
	Answer  bool   `json:"answer,omitempty"` // it was the answer to the attempt that ended
	Lost    bool   `json:"lost,omitempty"`   // it ended here, and no table of nftables did it
}

// Heartbeat is how often the guard says something on a stream of reports, if only that it is there.
const Heartbeat = time.Second

// Report is what the guard tells the prober: the outcome of a look at the live ruleset, and its counters. One whose
// result has no time only says that the guard is there.
type Report struct {
	Result   check.Result       `json:"result"`
	Counters map[string]Counter `json:"counters,omitempty"`
	Repairs  uint64             `json:"repairs"` // since the guard started
	Tallies  *Tallies           `json:"tallies,omitempty"`
}

// Tallies are who knocked and where the host wanted to go within the last hour, those with the most packets first.
type Tallies struct {
	At         time.Time        `json:"at"` // when the kernel's were read
	Knocks     []Knock          `json:"knocks"`
	KnockingV4 int              `json:"knocking_v4"` // how many addresses knocked
	KnockingV6 int              `json:"knocking_v6"`
	Refused    []Refusal        `json:"refused"`
	Count      int              `json:"count"` // of all that were refused
	Barred     []RefusedAddress `json:"barred"`
}

// Knock is a source that was turned away at a port.
type Knock struct {
	From     netip.Addr `json:"from"`
	Protocol uint8      `json:"protocol"` // IANA protocol number
	Port     uint16     `json:"port"`
	Packets  uint64     `json:"packets"`
	Bytes    uint64     `json:"bytes"`
	Since    time.Time  `json:"since"`
}

// Refusal is where the host wanted to go and may not, or would not where egress is only observed.
type Refusal struct {
	To       netip.Addr `json:"to"`
	Protocol uint8      `json:"protocol"`
	Port     uint16     `json:"port"`
	UID      *uint32    `json:"uid,omitempty"` // of the socket's owner, where there is one
	Packets  uint64     `json:"packets"`
	Bytes    uint64     `json:"bytes"`
	Since    time.Time  `json:"since"`
}

// Counter is a named counter of the ruleset.
type Counter struct {
	Packets uint64 `json:"packets"`
	Bytes   uint64 `json:"bytes"`
}

type request struct {
	Verb Verb            `json:"verb"`
	Body json.RawMessage `json:"body,omitempty"`
}

type response struct {
	Error string          `json:"error,omitempty"`
	Body  json.RawMessage `json:"body,omitempty"`
	Last  bool            `json:"last,omitempty"`
}
