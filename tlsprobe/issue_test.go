package tlsprobe

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

// now is the instant at which tests judge.
func now() time.Time { return time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC) }

const day24 = 24 * time.Hour

// issued is a certificate with its key.
type issued struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// change alters a template before it is signed.
type change func(*x509.Certificate)

// issue signs a certificate by parent, or by itself where parent is nil. The zero template is a server's certificate
// for host.test, valid from ten days ago for ninety days.
func issue(t testing.TB, parent *issued, changes ...change) *issued {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return issueFor(t, key, parent, changes...)
}

func issueFor(t testing.TB, key crypto.Signer, parent *issued, changes ...change) *issued {
	t.Helper()
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "host.test"}, DNSNames: []string{"host.test"},
		NotBefore: now().Add(-10 * day24), NotAfter: now().Add(80 * day24),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	for _, c := range changes {
		c(template)
	}
	signer, above := key, template
	if parent != nil {
		signer, above = parent.key, parent.cert
	}
	der, err := x509.CreateCertificate(rand.Reader, template, above, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &issued{cert: cert, key: key}
}

// authority makes a certificate one that signs others, with years to go.
func authority(name string) change {
	return func(c *x509.Certificate) {
		c.Subject, c.DNSNames, c.IsCA = pkix.Name{CommonName: name}, nil, true
		c.KeyUsage, c.ExtKeyUsage = x509.KeyUsageCertSign, nil
		c.NotBefore, c.NotAfter = now().AddDate(-1, 0, 0), now().AddDate(5, 0, 0)
	}
}

func valid(from, to time.Duration) change {
	return func(c *x509.Certificate) { c.NotBefore, c.NotAfter = now().Add(from), now().Add(to) }
}

func named(names ...string) change { return func(c *x509.Certificate) { c.DNSNames = names } }

func rsaKey(t testing.TB, bits int) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// chain is a server's certificates as it sends them.
func chain(certs ...*issued) tls.Certificate {
	c := tls.Certificate{PrivateKey: certs[0].key}
	for _, one := range certs {
		c.Certificate = append(c.Certificate, one.cert.Raw)
	}
	return c
}

func certsOf(all ...*issued) []*x509.Certificate {
	var certs []*x509.Certificate
	for _, one := range all {
		certs = append(certs, one.cert)
	}
	return certs
}
