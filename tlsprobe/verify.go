package tlsprobe

import (
	"crypto/x509"
	"errors"
	"time"
)

// VerifyOptions are against what a chain is judged.
type VerifyOptions struct {
	Name       string        // a DNS name or an IP address that the certificate must be for
	Roots      *Roots        // nil trusts none
	Time       time.Time     // the instant of the judgement
	Warn, Fail time.Duration // how long before its end a certificate is Minor, Grave; zero is never
}

// judgement is a verdict in the making.
type judgement struct {
	VerifyOptions
	sent    []*x509.Certificate
	path    path
	verdict Verdict
}

// Verify judges a chain as the server sent it, its own certificate first, and lists every problem, not the first. It
// takes no clock and no network: the same values give the same verdict. Whether a chain holds is crypto/x509's word
// alone; where it does not, the rest of this package only finds the words for it, and a chain that crypto/x509 refuses
// always has a fatal finding.
func Verify(certs []*x509.Certificate, o VerifyOptions) Verdict {
	j := &judgement{VerifyOptions: o, sent: certs[:min(len(certs), MaxCertificates)]}
	j.verdict.Judged = true
	if len(certs) == 0 {
		j.verdict.Findings = []Finding{{Problem: NoCertificate, Index: -1, Words: "the server sent no certificate"}}
		return j.verdict
	}
	refusal := j.build()
	j.dates()
	j.authority()
	j.name()
	j.usage()
	j.strength()
	if refusal != nil && !j.verdict.fatal() {
		j.refused(refusal)
	}
	j.verdict.order()
	return j.verdict
}

// build finds the path that crypto/x509 accepts, or follows the chain itself when there is none. The error is why
// crypto/x509 does not accept any for a server of the name.
func (j *judgement) build() error {
	chains, err := j.chains(x509.ExtKeyUsageServerAuth)
	if err != nil {
		chains, _ = j.chains(x509.ExtKeyUsageAny)
	}
	if len(chains) > 0 {
		j.path = path{certs: longestLived(chains), anchored: true}
		return err
	}
	j.path = follow(j.sent, j.Roots, j.Time)
	return err
}

func (j *judgement) chains(usage x509.ExtKeyUsage) ([][]*x509.Certificate, error) {
	if j.Roots == nil {
		return nil, x509.UnknownAuthorityError{Cert: j.sent[0]}
	}
	intermediates := x509.NewCertPool()
	for _, cert := range j.sent[1:] {
		intermediates.AddCert(cert)
	}
	return j.sent[0].Verify(x509.VerifyOptions{
		Roots: j.Roots.pool, Intermediates: intermediates, CurrentTime: j.Time,
		KeyUsages: []x509.ExtKeyUsage{usage},
	})
}

// longestLived is the chain whose first end is the latest: of two ways to trust, the better one counts.
func longestLived(chains [][]*x509.Certificate) []*x509.Certificate {
	best := chains[0]
	for _, chain := range chains[1:] {
		if ends(chain).After(ends(best)) {
			best = chain
		}
	}
	return best
}

func ends(chain []*x509.Certificate) time.Time {
	first := chain[0].NotAfter
	for _, cert := range chain[1:] {
		if cert.NotAfter.Before(first) {
			first = cert.NotAfter
		}
	}
	return first
}

// find adds a finding about one certificate, which may be nil.
func (j *judgement) find(p Problem, s Severity, cert *x509.Certificate, words string) {
	f := Finding{Problem: p, Severity: s, Index: -1, Words: words}
	if cert != nil {
		f.Index, f.NotBefore, f.NotAfter = index(j.sent, cert), cert.NotBefore, cert.NotAfter
	}
	j.verdict.Findings = append(j.verdict.Findings, f)
}

// refused takes a refusal of crypto/x509 that nothing else explained: name constraints, path lengths, critical
// extensions that nobody knows.
func (j *judgement) refused(err error) {
	problem := Usage
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		problem = UnknownAuthority
	}
	j.find(problem, Fatal, j.sent[0], "the chain is refused: "+quote(err.Error()))
}
