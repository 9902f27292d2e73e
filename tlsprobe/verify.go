package tlsprobe

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"slices"
	"time"
)

// VerifyOptions are against what a chain is judged.
type VerifyOptions struct {
	Name       string        // a DNS name or an IP address that the certificate must be for
	Roots      *Roots        // nil trusts none
	Time       time.Time     // the instant of the judgement
	Warn, Fail time.Duration // how long before its end a certificate is Minor, Grave; zero is never
	Expected

	// Deciphers says that the server's key deciphers what the client sends (the suites TLS_RSA_*), in place of signing.
	Deciphers bool
	// Fetched are certificates from elsewhere, which the server did not send: they tell what is wrong with a chain, and
	// never make it trusted.
	Fetched []*x509.Certificate
}

// judging is how the certificates of a handshake by a cipher suite are judged.
func (o Options) judging(suite uint16) VerifyOptions {
	return VerifyOptions{
		Name: o.ServerName, Roots: o.Roots, Time: o.at(), Warn: o.Warn, Fail: o.Fail, Expected: o.Expected,
		Deciphers: deciphers(suite),
	}
}

// deciphers says that the server proves itself by deciphering what only its key can: the suites TLS_RSA_* that the
// library knows (RFC 5246 section 7.4.7.1). It is asked at each handshake, so it makes no text.
func deciphers(suite uint16) bool {
	switch suite {
	case tls.TLS_RSA_WITH_RC4_128_SHA, tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA, tls.TLS_RSA_WITH_AES_128_CBC_SHA,
		tls.TLS_RSA_WITH_AES_256_CBC_SHA, tls.TLS_RSA_WITH_AES_128_CBC_SHA256, tls.TLS_RSA_WITH_AES_128_GCM_SHA256,
		tls.TLS_RSA_WITH_AES_256_GCM_SHA384:
		return true
	}
	return false
}

// maxWays bounds how many ways from a server's certificate to an authority are judged.
const maxWays = 8

// judgement is a verdict in the making.
type judgement struct {
	VerifyOptions
	sent    []*x509.Certificate
	path    path
	missing *x509.Certificate // the one that the server left out and that Fetched has
	verdict Verdict
}

// Verify judges a chain as the server sent it, its own certificate first, and lists every problem, not the first. It
// takes no clock and no network: the same values give the same verdict. Whether a chain holds is crypto/x509's word
// alone; where it does not, the rest of this package only finds the words for it, and a chain that crypto/x509 refuses
// always has a fatal finding. Of several ways to a trusted authority the best one counts.
func Verify(certs []*x509.Certificate, o VerifyOptions) Verdict {
	if len(certs) == 0 {
		return Verdict{Judged: true, Findings: []Finding{
			{Problem: NoCertificate, Index: -1, Words: "the server sent no certificate"},
		}}
	}
	way := judgement{VerifyOptions: o, sent: certs[:min(len(certs), MaxCertificates)]}
	paths, refusal := way.ways()
	var best Verdict
	for _, p := range paths[:min(len(paths), maxWays)] {
		j := way
		j.path = p
		if v := j.judge(refusal); !best.Judged || v.severity() > best.severity() {
			best = v
		}
		if best.severity() == Note {
			break
		}
	}
	return best
}

// judge goes through everything that may be wrong with the path.
func (j *judgement) judge(refusal error) Verdict {
	j.verdict.Judged = true
	j.dates()
	j.authority()
	j.expected()
	j.name()
	j.usage()
	j.strength()
	if refusal != nil && !j.verdict.fatal() {
		j.refused(refusal)
	}
	j.arrangement()
	j.verdict.order()
	j.verdict.Path = j.path.certs
	return j.verdict
}

// ways are the paths that crypto/x509 accepts, the longest-lived first, or the one that is found by following the chain
// when it accepts none. The error is why crypto/x509 does not accept any, of what the server sent, for a server.
func (j *judgement) ways() ([]path, error) {
	chains, err := j.chains(x509.ExtKeyUsageServerAuth, nil)
	if err != nil {
		chains, _ = j.chains(x509.ExtKeyUsageAny, nil)
	}
	if len(chains) > 0 {
		return anchored(chains), err
	}
	p := follow(j.sent[0], j.sent[1:], j.Roots, j.Time)
	if !p.anchored && len(j.Fetched) > 0 {
		return j.lengthened(p), err
	}
	return []path{p}, err
}

// lengthened goes on from where the server's chain ends, with what was fetched.
func (j *judgement) lengthened(short path) []path {
	longer := []path{follow(j.sent[0], slices.Concat(j.sent[1:], j.Fetched), j.Roots, j.Time)}
	if chains, err := j.chains(x509.ExtKeyUsageAny, j.Fetched); err == nil {
		longer = anchored(chains)[:1]
	}
	certs := longer[0].certs
	next := slices.Index(certs, short.last()) + 1
	if next == 0 || next == len(certs) {
		return []path{short}
	}
	j.missing = certs[next]
	return longer
}

func (j *judgement) chains(usage x509.ExtKeyUsage, fetched []*x509.Certificate) ([][]*x509.Certificate, error) {
	if j.Roots == nil {
		return nil, x509.UnknownAuthorityError{Cert: j.sent[0]}
	}
	intermediates := x509.NewCertPool()
	for _, cert := range slices.Concat(j.sent[1:], fetched) {
		intermediates.AddCert(cert)
	}
	return j.sent[0].Verify(x509.VerifyOptions{
		Roots: j.Roots.pool, Intermediates: intermediates, CurrentTime: j.Time,
		KeyUsages: []x509.ExtKeyUsage{usage},
	})
}

// anchored are the chains as paths, the one whose first end is the latest at the head.
func anchored(chains [][]*x509.Certificate) []path {
	slices.SortStableFunc(chains, func(a, b []*x509.Certificate) int { return ends(b).Compare(ends(a)) })
	paths := make([]path, 0, len(chains))
	for _, chain := range chains {
		paths = append(paths, path{certs: chain, anchored: true})
	}
	return paths
}

// ends is when the first of the certificates ends.
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
		f.Role, f.Subject = j.path.role(cert), clean(SubjectText(cert))
	}
	j.verdict.Findings = append(j.verdict.Findings, f)
}

// refused takes a refusal of crypto/x509 that nothing else explained, such as a policy constraint.
func (j *judgement) refused(err error) {
	problem := Usage
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		problem = UnknownAuthority
	}
	j.find(problem, Fatal, j.sent[0], "the chain is refused: "+quote(err.Error()))
}
