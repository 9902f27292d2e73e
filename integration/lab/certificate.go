package lab

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"time"
)

// Flaw is what is wrong with a certificate, or with the chain that goes with it. The zero value is none.
type Flaw string

// The flaws that an authority can put into a certificate.
const (
	Sound               Flaw = ""
	Expired             Flaw = "expired"              // ended yesterday
	NotYetValid         Flaw = "not-yet-valid"        // begins tomorrow
	Expiring            Flaw = "expiring"             // ends in three days
	WrongName           Flaw = "wrong-name"           // for another host
	SelfSigned          Flaw = "self-signed"          // signed by itself
	OtherAuthority      Flaw = "other-authority"      // from an authority that nobody trusts, whole chain sent
	MissingIntermediate Flaw = "missing-intermediate" // the leaf is sent alone
	ExpiredIntermediate Flaw = "expired-intermediate" // the leaf is good, its issuer ended yesterday
	WeakKey             Flaw = "weak-key"             // RSA with 1024 bits
	WeakSignature       Flaw = "weak-signature"       // signed with SHA-1
	ClientUsage         Flaw = "client-usage"         // for client authentication only
	Inspected           Flaw = "inspected"            // from the authority of a TLS-inspecting proxy, whole chain sent
)

// Certificate is a chain with its key, as a server presents it.
type Certificate struct {
	Host  string
	Flaw  Flaw
	Chain []byte // PEM, leaf first
	Key   []byte // PEM, PKCS #8
}

// Pair is the certificate as crypto/tls takes it.
func (c Certificate) Pair() (tls.Certificate, error) { return tls.X509KeyPair(c.Chain, c.Key) }

// write puts the chain and the key into files.
func (c Certificate) write(chainFile, keyFile string) error {
	if err := os.WriteFile(chainFile, c.Chain, 0o644); err != nil {
		return err
	}
	return os.WriteFile(keyFile, c.Key, 0o600)
}

// Authority is a root with an intermediate that signs the servers' certificates.
type Authority struct {
	Root         *x509.Certificate
	root         issuer
	intermediate issuer
}

type issuer struct {
	certificate *x509.Certificate
	key         crypto.Signer
}

const day = 24 * time.Hour

// NewAuthority makes an authority, valid from yesterday for ten days.
func NewAuthority(name string) (*Authority, error) {
	root, err := sign(template(name+" root"), issuer{}, authorityUsage)
	if err != nil {
		return nil, err
	}
	intermediate, err := sign(template(name+" intermediate"), root, authorityUsage)
	if err != nil {
		return nil, err
	}
	return &Authority{Root: root.certificate, root: root, intermediate: intermediate}, nil
}

// PEM is the root, as a file of trusted roots.
func (a *Authority) PEM() []byte { return encode(a.Root) }

// Issue makes a certificate for a host, with a flaw or Sound.
func (a *Authority) Issue(host string, flaw Flaw) (Certificate, error) {
	from := a.intermediate
	switch flaw {
	case OtherAuthority, Inspected:
		other, err := NewAuthority(map[Flaw]string{OtherAuthority: "somebody else's", Inspected: "Zscaler"}[flaw])
		if err != nil {
			return Certificate{}, err
		}
		from = other.intermediate
	case ExpiredIntermediate:
		old := template("expired intermediate")
		old.NotBefore, old.NotAfter = time.Now().Add(-30*day), time.Now().Add(-day)
		expired, err := sign(old, a.root, authorityUsage)
		if err != nil {
			return Certificate{}, err
		}
		from = expired
	case SelfSigned:
		from = issuer{}
	}
	leaf, err := sign(leafTemplate(host, flaw), from, nil)
	if err != nil {
		return Certificate{}, fmt.Errorf("certificate %q for %s: %w", flaw, host, err)
	}
	chain := encode(leaf.certificate)
	if flaw != MissingIntermediate && flaw != SelfSigned {
		chain = append(chain, encode(from.certificate)...)
	}
	der, err := x509.MarshalPKCS8PrivateKey(leaf.key)
	if err != nil {
		return Certificate{}, err
	}
	key := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	return Certificate{Host: host, Flaw: flaw, Chain: chain, Key: key}, nil
}

func leafTemplate(host string, flaw Flaw) *x509.Certificate {
	t := template(host)
	t.DNSNames = []string{host}
	t.KeyUsage = x509.KeyUsageDigitalSignature
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	switch now := time.Now(); flaw {
	case Expired:
		t.NotBefore, t.NotAfter = now.Add(-90*day), now.Add(-day)
	case NotYetValid:
		t.NotBefore, t.NotAfter = now.Add(day), now.Add(90*day)
	case Expiring:
		t.NotAfter = now.Add(3 * day)
	case WrongName:
		t.Subject.CommonName, t.DNSNames = "other.example", []string{"other.example"}
	case WeakKey:
		t.PublicKeyAlgorithm = x509.RSA // a wish to sign
	case WeakSignature:
		t.SignatureAlgorithm = x509.ECDSAWithSHA1
	case ClientUsage:
		t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	}
	return t
}

// template is valid from yesterday for ninety days, so that the usual thresholds of expiry are far.
func template(name string) *x509.Certificate {
	now := time.Now()
	return &x509.Certificate{
		Subject:            pkix.Name{CommonName: name, Organization: []string{"Sallyport lab"}},
		NotBefore:          now.Add(-day),
		NotAfter:           now.Add(90 * day),
		PublicKeyAlgorithm: x509.ECDSA,
	}
}

func authorityUsage(t *x509.Certificate) {
	t.IsCA, t.BasicConstraintsValid = true, true
	t.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
}

// sign completes the template, makes its key, and signs it by from, or by itself when from is nobody.
func sign(t *x509.Certificate, from issuer, adjust func(*x509.Certificate)) (issuer, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return issuer{}, err
	}
	t.SerialNumber = serial
	if adjust != nil {
		adjust(t)
	}
	key, err := newKey(t.PublicKeyAlgorithm)
	if err != nil {
		return issuer{}, err
	}
	if from.certificate == nil {
		from = issuer{certificate: t, key: key}
	}
	der, err := x509.CreateCertificate(rand.Reader, t, from.certificate, key.Public(), from.key)
	if err != nil {
		return issuer{}, err
	}
	certificate, err := x509.ParseCertificate(der)
	return issuer{certificate: certificate, key: key}, err
}

func newKey(algorithm x509.PublicKeyAlgorithm) (crypto.Signer, error) {
	if algorithm == x509.RSA {
		return rsa.GenerateKey(rand.Reader, 1024) // only for WeakKey
	}
	return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
}

func encode(c *x509.Certificate) []byte {
	var b bytes.Buffer
	_ = pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}) // a bytes.Buffer does not fail
	return b.Bytes()
}
