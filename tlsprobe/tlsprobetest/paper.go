package tlsprobetest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"testing"
	"time"
)

// Day is 24 hours.
const Day = 24 * time.Hour

// Paper is a certificate with its key.
type Paper struct {
	Cert *x509.Certificate
	Key  crypto.Signer
}

// Change alters a template before it is signed.
type Change func(*x509.Certificate)

// Office issues certificates.
type Office struct {
	Now  time.Time // the instant that validity is counted from
	Name string    // the DNS name that certificates are for
}

// Issue signs a certificate by parent, or by itself where parent is nil: a server's, for the office's name, valid from
// ten days ago for ninety days, unless the changes say otherwise.
func (o Office) Issue(t testing.TB, key crypto.Signer, parent *Paper, changes ...Change) *Paper {
	t.Helper()
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: o.Name}, DNSNames: []string{o.Name},
		NotBefore: o.Now.Add(-10 * Day), NotAfter: o.Now.Add(80 * Day),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	for _, change := range changes {
		change(template)
	}
	above, signer := template, key
	if parent != nil {
		above, signer = parent.Cert, parent.Key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, above, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &Paper{Cert: cert, Key: key}
}

// Authority makes a certificate one that signs others, with years to go.
func (o Office) Authority(name string) Change {
	return func(c *x509.Certificate) {
		c.Subject, c.DNSNames, c.IPAddresses = pkix.Name{CommonName: name}, nil, nil
		c.IsCA, c.KeyUsage, c.ExtKeyUsage = true, x509.KeyUsageCertSign, nil
		c.NotBefore, c.NotAfter = o.Now.AddDate(-1, 0, 0), o.Now.AddDate(5, 0, 0)
	}
}

// Valid sets the validity, counted from now.
func (o Office) Valid(from, to time.Duration) Change {
	return func(c *x509.Certificate) { c.NotBefore, c.NotAfter = o.Now.Add(from), o.Now.Add(to) }
}

// Named sets the DNS names.
func Named(names ...string) Change { return func(c *x509.Certificate) { c.DNSNames = names } }

// NewKey makes an ECDSA key on P-256.
func NewKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// NewRSAKey makes an RSA key of that many bits.
func NewRSAKey(t testing.TB, bits int) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// Chain is a chain for a server of crypto/tls, its own certificate first.
func Chain(papers ...*Paper) tls.Certificate {
	chain := tls.Certificate{PrivateKey: papers[0].Key}
	for _, p := range papers {
		chain.Certificate = append(chain.Certificate, p.Cert.Raw)
	}
	return chain
}

// Certs are the certificates alone.
func Certs(papers ...*Paper) []*x509.Certificate {
	var certs []*x509.Certificate
	for _, p := range papers {
		certs = append(certs, p.Cert)
	}
	return certs
}
