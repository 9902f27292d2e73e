package tlsprobe

import (
	"cmp"
	"slices"
	"time"
)

// Problem is one kind of fault of a chain of certificates. The order of the constants is the order in which problems
// of one severity are to be mended, and so which of them is the headline:
//
//   - A certificate outside of its dates must be replaced, whatever else is wrong with it; it is also what breaks by
//     itself, and so most often the news.
//   - Then who vouches for it. As long as nobody does, what it says of its names and uses is only a claim; a JVM too
//     stops there, before it looks at the name.
//   - Then whom it is for and what for, then how strong it is.
type Problem uint8

const (
	NoCertificate    Problem = iota // there is none to judge
	Expired                         // the server's own certificate has expired
	NotYetValid                     // a certificate of the chain is not valid yet
	SelfSigned                      // the server's own certificate is signed by itself, and not trusted
	IncompleteChain                 // the server leaves out an intermediate
	UnknownAuthority                // the chain ends in an authority that is not trusted
	ChainExpired                    // an intermediate or root has expired
	NameMismatch                    // the certificate is for other names
	Usage                           // not for server authentication, or signed by what may not sign it
	WeakKey                         // RSA below 2048 bits, or an elliptic curve below 256 (NIST SP 800-57 part 1)
	WeakSignature                   // signed with MD2, MD5 or SHA-1
	Expiring                        // a certificate of the chain ends soon
)

// String is the problem's name, such as not-yet-valid.
func (p Problem) String() string {
	names := [...]string{
		NoCertificate: "no-certificate", Expired: "expired", NotYetValid: "not-yet-valid", SelfSigned: "self-signed",
		IncompleteChain: "incomplete-chain", UnknownAuthority: "unknown-authority", ChainExpired: "chain-expired",
		NameMismatch: "name-mismatch", Usage: "usage", WeakKey: "weak-key", WeakSignature: "weak-signature",
		Expiring: "expiring",
	}
	if int(p) < len(names) {
		return names[p]
	}
	return "unknown"
}

// Severity is what a problem means for the connection.
type Severity uint8

const (
	Fatal Severity = iota // the connection must not be trusted
	Grave                 // trusted, but not for long: within Fail of its end
	Minor                 // trusted: within Warn of its end
)

// Finding is one problem of one certificate.
type Finding struct {
	Problem   Problem
	Severity  Severity
	Index     int       // of the certificate as the server sent them; -1 for one that it did not send
	NotBefore time.Time // of that certificate; zero when there is none
	NotAfter  time.Time
	Words     string // what is wrong, in one sentence; what the certificate says in it is escaped and cut
}

// Verdict is every problem of a chain, the one to mend first at the head. The zero value is no verdict at all.
type Verdict struct {
	Judged   bool // somebody looked: without it, no findings does not mean well
	Findings []Finding
}

// Trusted says that the chain was judged and has no fatal problem. The zero verdict is not trusted.
func (v Verdict) Trusted() bool {
	return v.Judged && !v.fatal()
}

// Headline is the finding to mend first; false when there is none.
func (v Verdict) Headline() (Finding, bool) {
	if len(v.Findings) == 0 {
		return Finding{}, false
	}
	return v.Findings[0], true
}

func (v Verdict) fatal() bool {
	return slices.ContainsFunc(v.Findings, func(f Finding) bool { return f.Severity == Fatal })
}

// order puts the finding to mend first at the head: by severity, by kind, by distance from the server.
func (v *Verdict) order() {
	slices.SortStableFunc(v.Findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Severity, b.Severity), cmp.Compare(a.Problem, b.Problem), cmp.Compare(a.Index, b.Index))
	})
}
