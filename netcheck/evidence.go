package netcheck

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"slices"
	"time"

	"sallyport/check"
	"sallyport/tlsprobe"
)

// Bounds on what of a server's certificates is kept in a result.
const (
	maxCertificatesKept = 8
	maxNamesKept        = 20
	maxTextKept         = 256
	maxOthersKept       = 4
)

// TLSEvidence is what a TLS handshake showed. It is the evidence of a check of the kind tls, and stands in that of
// ldaps. Text from certificates in it is escaped and bounded.
type TLSEvidence struct {
	Addresses     []string       `json:"addresses"`         // at which this chain was shown
	Version       string         `json:"version,omitempty"` // TLS 1.3; empty when none was agreed on
	Suite         string         `json:"suite,omitempty"`   // TLS_AES_128_GCM_SHA256
	Group         string         `json:"group,omitempty"`   // X25519MLKEM768
	ALPN          string         `json:"alpn,omitempty"`    // the application protocol agreed on
	ALPNOffered   []string       `json:"alpn_offered,omitempty"`
	ClientRequest bool           `json:"client_request"`        // the server asks for a client certificate
	ClientSent    bool           `json:"client_sent,omitempty"` // ours was shown to it
	Milliseconds  *TLSTimes      `json:"tls_ms,omitempty"`
	OCSPStapled   bool           `json:"ocsp_stapled"`             // the server staples an OCSP response
	Findings      []CertFinding  `json:"findings,omitempty"`       // of the chain, the one to mend first at the head
	Certificates  []Cert         `json:"certificates"`             // as sent, the server's own first
	Changed       *CertChange    `json:"changed,omitempty"`        // the server's own, since the check saw it last
	ClockAheadMS  *int64         `json:"clock_ahead_ms,omitempty"` // of the server, where it was asked
	Java          *JavaEvidence  `json:"java,omitempty"`           // the chain as the service's Java sees it
	Revocation    []CertStatus   `json:"revocation,omitempty"`     // of the chain but its root; none: nobody was asked
	Connections   []Connection   `json:"connections,omitempty"`    // to those addresses
	Others        []*TLSEvidence `json:"others,omitempty"`         // addresses that show another certificate
	BlockedBy     []Blocking     `json:"blocked_by,omitempty"`     // addresses to which this host lets no connection out
}

// CertFinding is one thing that is wrong with a chain, or worth knowing about it.
type CertFinding struct {
	Status  check.Status  `json:"status"`            // what it alone makes of the check; ok for what is only worth knowing
	Cause   check.Cause   `json:"cause,omitempty"`   // none for what is only worth knowing
	Index   int           `json:"index"`             // of the certificate among those sent; -1 for one that was not sent
	Role    tlsprobe.Role `json:"role,omitempty"`    // of the certificate in the chain: server, intermediate, root
	Subject string        `json:"subject,omitempty"` // of the certificate
	Detail  string        `json:"detail"`
}

// TLSTimes is when, from the first byte sent on, a handshake got how far, in milliseconds. Zero is not that far.
type TLSTimes struct {
	Hello        float64 `json:"hello"`        // the first byte of the server's answer
	Certificates float64 `json:"certificates"` // the certificates had come
	Finished     float64 `json:"finished"`
}

// Cert is a certificate as the evidence shows it.
type Cert struct {
	Subject   string    `json:"subject"`
	Issuer    string    `json:"issuer"`
	Names     []string  `json:"names,omitempty"` // DNS names and addresses, the first 20
	NameCount int       `json:"name_count"`
	Serial    string    `json:"serial"` // hexadecimal
	NotBefore time.Time `json:"not_before"`
	NotAfter  time.Time `json:"not_after"`
	SHA256    string    `json:"sha256"` // of the DER form, as openssl x509 -fingerprint -sha256 without colons
	Pin       string    `json:"pin"`    // of the key, as the configuration takes it: sha256/ and base64
	Key       string    `json:"key"`    // RSA, ECDSA, Ed25519
	KeyBits   int       `json:"key_bits"`
	Signature string    `json:"signature"` // SHA256-RSA
}

// TLSVersion is the protocol version agreed on, such as TLS 1.3; empty where there was none.
func (e *TLSEvidence) TLSVersion() string {
	if e == nil {
		return ""
	}
	return e.Version
}

// EarliestExpiry is when the first of the certificates shown ends, at whichever address; zero where none was shown.
func (e *TLSEvidence) EarliestExpiry() time.Time {
	var first time.Time
	if e == nil {
		return first
	}
	for _, chain := range append([]*TLSEvidence{e}, e.Others...) {
		for _, cert := range chain.Certificates {
			if first.IsZero() || cert.NotAfter.Before(first) {
				first = cert.NotAfter
			}
		}
	}
	return first
}

// newTLSEvidence writes down what the attempts showed: the first chain, and those that differ from it beside it. It is
// nil where no handshake got as far as a version or a certificate, and nobody on this host is known to block one.
func newTLSEvidence(attempts []attempt) *TLSEvidence {
	var head *TLSEvidence
	var shown []sameChain
	for i := range attempts {
		a := &attempts[i]
		if a.facts.Version == 0 {
			continue
		}
		if known := slices.IndexFunc(shown, func(s sameChain) bool { return s.holds(a.facts) }); known >= 0 {
			shown[known].evidence.add(a)
			continue
		}
		e := describeFacts(a.facts, a.shown)
		e.Revocation = a.describeRevocation()
		e.Java, e.ClockAheadMS = newJavaEvidence(a), a.ahead
		e.add(a)
		shown = append(shown, sameChain{a.facts, e})
		switch {
		case head == nil:
			head = e
		case len(head.Others) < maxOthersKept:
			head.Others = append(head.Others, e)
		}
	}
	if blocked := blockings(attempts); len(blocked) > 0 {
		if head == nil {
			head = &TLSEvidence{Addresses: []string{}, Certificates: []Cert{}}
		}
		head.BlockedBy = blocked
	}
	return head
}

// add adds an attempt that showed this.
func (e *TLSEvidence) add(a *attempt) {
	e.Addresses = append(e.Addresses, a.label())
	e.Connections = append(e.Connections, a.connection())
}

// sameChain is what handshakes showed that have the version and the server's certificate in common.
type sameChain struct {
	facts    tlsprobe.Facts
	evidence *TLSEvidence
}

func (s sameChain) holds(f tlsprobe.Facts) bool {
	if s.facts.Version != f.Version || len(s.facts.Certificates) == 0 || len(f.Certificates) == 0 {
		return s.facts.Version == f.Version && len(s.facts.Certificates) == len(f.Certificates)
	}
	return s.facts.Certificates[0].Equal(f.Certificates[0])
}

// milliseconds are rounded to a microsecond, as a result has its phases.
func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func describeFacts(f tlsprobe.Facts, memory *certificates) *TLSEvidence {
	e := &TLSEvidence{
		Version: tls.VersionName(f.Version), Suite: tlsprobe.SuiteName(f.Suite), ALPN: cleanText(f.ALPN, maxTextKept),
		ALPNOffered: f.ALPNOffered, ClientRequest: f.ClientCertificateRequested, ClientSent: f.ClientCertificateSent,
		OCSPStapled:  len(f.OCSP) > 0,
		Milliseconds: &TLSTimes{milliseconds(f.HelloAfter), milliseconds(f.CertificatesAfter), milliseconds(f.Duration)},
	}
	if f.Group != 0 {
		e.Group = tlsprobe.GroupName(f.Group)
	}
	for _, finding := range f.Verdict.Findings {
		e.Findings = append(e.Findings, CertFinding{
			Status: statusOf(finding.Severity), Cause: causeOf(finding.Problem), Index: finding.Index,
			Role: finding.Role, Subject: finding.Subject, Detail: finding.Words,
		})
	}
	for _, cert := range f.Certificates[:min(len(f.Certificates), maxCertificatesKept)] {
		e.Certificates = append(e.Certificates, memory.describe(cert))
	}
	return e
}

func describeCert(cert *x509.Certificate) Cert {
	sum := sha256.Sum256(cert.Raw)
	kind, bits := tlsprobe.KeyOf(cert)
	names := tlsprobe.AlternativeNames(cert)
	c := Cert{
		Subject:   cleanText(tlsprobe.SubjectText(cert), maxTextKept),
		Issuer:    cleanText(tlsprobe.IssuerText(cert), maxTextKept),
		NameCount: len(names), Serial: cleanText(cert.SerialNumber.Text(16), maxTextKept),
		NotBefore: cert.NotBefore.UTC(), NotAfter: cert.NotAfter.UTC(),
		SHA256: hex.EncodeToString(sum[:]), Pin: tlsprobe.PinOf(cert).String(),
		Key: kind, KeyBits: bits, Signature: cert.SignatureAlgorithm.String(),
	}
	for _, name := range names[:min(len(names), maxNamesKept)] {
		c.Names = append(c.Names, cleanText(name, maxTextKept))
	}
	return c
}
