package tlsprobe

import "time"

// Problem is one kind of fault of a chain of certificates.
type Problem uint8

const (
	NoCertificate    Problem = iota // there is none to judge
	Expired                         // the server's own certificate has expired
	NotYetValid                     // a certificate of the chain is not valid yet
	ChainExpired                    // an intermediate or root has expired
	SelfSigned                      // the server's own certificate is signed by itself, and not trusted
	UnknownAuthority                // the chain ends in an authority that is not trusted
	IncompleteChain                 // the server leaves out an intermediate
	NameMismatch                    // the certificate is for other names
	Usage                           // not for server authentication, or signed by what is no authority
	WeakKey                         // RSA below 2048 bits, or an elliptic curve below 256
	WeakSignature                   // signed with MD2, MD5 or SHA-1
	Expiring                        // a certificate of the chain ends soon
)

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
	Index     int       // of the certificate as the server sent them; -1 for a root that it did not send
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
	if !v.Judged {
		return false
	}
	for _, f := range v.Findings {
		if f.Severity == Fatal {
			return false
		}
	}
	return true
}

// Headline is the finding to mend first; false when there is none.
func (v Verdict) Headline() (Finding, bool) {
	if len(v.Findings) == 0 {
		return Finding{}, false
	}
	return v.Findings[0], true
}
