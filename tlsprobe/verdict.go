package tlsprobe

import (
	"cmp"
	"crypto/x509"
	"slices"
	"time"
)

// Problem is one kind of fault of a chain of certificates. The order of the constants is the order in which problems
// of one severity are to be mended, and so which of them is the headline:
//
//   - A certificate outside of its dates must be replaced, whatever else is wrong with it; it is also what breaks by
//     itself, and so most often the news.
//   - Then who vouches for it. As long as nobody does, what it says of its names and uses is only a claim; a JVM too
//     stops there, before it looks at the name. That somebody stands between is why nobody does, and comes before it.
//   - Then whom it is for and what for, then how strong it is.
type Problem uint8

const (
	NoCertificate    Problem = iota // there is none to judge
	Expired                         // the server's own certificate has expired
	NotYetValid                     // a certificate of the chain is not valid yet
	Intercepted                     // a private authority vouches for a public name, or another than the expected one
	SelfSigned                      // the server's own certificate is signed by itself, and not trusted
	IncompleteChain                 // the server leaves out an intermediate
	UnknownAuthority                // the chain ends in an authority that is not trusted
	ChainExpired                    // an intermediate or root has expired
	PinMismatch                     // none of the pinned keys is in the chain
	NameMismatch                    // the certificate is for other names
	Usage                           // not for server authentication, or signed by what may not sign it
	WeakKey                         // RSA below 2048 bits, or an elliptic curve below 256 (NIST SP 800-57 part 1)
	WeakSignature                   // signed with MD2, MD5 or SHA-1
	Expiring                        // a certificate of the chain ends soon
	Disorder                        // the certificates are sent in another order than that of the chain
	Surplus                         // a certificate is sent twice, or is of no use for the chain
)

// String is the problem's name, such as not-yet-valid.
func (p Problem) String() string {
	names := [...]string{
		NoCertificate: "no-certificate", Expired: "expired", NotYetValid: "not-yet-valid", Intercepted: "intercepted",
		SelfSigned: "self-signed", IncompleteChain: "incomplete-chain", UnknownAuthority: "unknown-authority",
		ChainExpired: "chain-expired", PinMismatch: "pin-mismatch", NameMismatch: "name-mismatch", Usage: "usage",
		WeakKey: "weak-key", WeakSignature: "weak-signature", Expiring: "expiring", Disorder: "disorder",
		Surplus: "surplus",
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
	Minor                 // trusted, with something to look at: within Warn of its end
	Note                  // nothing is wrong with the connection: worth knowing
)

// Role is what a certificate is in its chain.
type Role string

const (
	RoleServer       Role = "server"       // the server's own
	RoleIntermediate Role = "intermediate" // between the server's own and a root
	RoleRoot         Role = "root"         // trusted, or signed by itself at the end of the chain
)

// Finding is one problem of one certificate.
type Finding struct {
	Problem   Problem
	Severity  Severity
	Index     int       // of the certificate as the server sent them; -1 for one that it did not send
	Role      Role      // of the certificate in the chain; empty for one that is not of it
	Subject   string    // of the certificate, escaped and cut; empty when there is none
	NotBefore time.Time // of that certificate; zero when there is none
	NotAfter  time.Time
	Words     string // what is wrong, in one sentence; what the certificate says in it is escaped and cut
}

// Verdict is every problem of a chain, the one to mend first at the head. The zero value is no verdict at all.
type Verdict struct {
	Judged   bool // somebody looked: without it, no findings does not mean well
	Findings []Finding

	// Path is the chain that was judged, the server's own certificate first. When the verdict is Trusted, it ends in a
	// trusted authority, and each is signed by the next; else it is only as much of a chain as was found.
	Path []*x509.Certificate
}

// Trusted says that the chain was judged and has no fatal problem. The zero verdict is not trusted.
func (v Verdict) Trusted() bool {
	return v.Judged && !v.fatal()
}

// Headline is the finding to mend first; false when there is none, or only notes.
func (v Verdict) Headline() (Finding, bool) {
	if len(v.Findings) == 0 || v.Findings[0].Severity == Note {
		return Finding{}, false
	}
	return v.Findings[0], true
}

// severity is that of the headline; Note where nothing is wrong.
func (v Verdict) severity() Severity {
	if len(v.Findings) == 0 {
		return Note
	}
	return v.Findings[0].Severity
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
