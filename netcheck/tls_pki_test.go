package netcheck

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"path/filepath"
	"testing"
	"time"

	"sallyport/tlsprobe"
)

const oneDay = 24 * time.Hour

// paper is a certificate with its key, made on the spot.
type paper struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// sign makes a server's certificate for localhost, valid from a day ago for ninety days, unless the changes say
// otherwise; by is nil for one that is signed by itself.
func sign(t *testing.T, key crypto.Signer, by *paper, changes ...func(*x509.Certificate)) *paper {
	t.Helper()
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		NotBefore:   time.Now().Add(-oneDay), NotAfter: time.Now().Add(90 * oneDay),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	for _, change := range changes {
		change(template)
	}
	above, signer := template, key
	if by != nil {
		above, signer = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, above, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &paper{cert: cert, key: key}
}

func asAuthority(name string) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		c.Subject, c.DNSNames, c.IPAddresses = pkix.Name{CommonName: name}, nil, nil
		c.IsCA, c.KeyUsage, c.ExtKeyUsage = true, x509.KeyUsageCertSign, nil
		c.NotBefore, c.NotAfter = time.Now().Add(-400*oneDay), time.Now().Add(4000*oneDay)
	}
}

func lasting(from, to time.Duration) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.NotBefore, c.NotAfter = time.Now().Add(from), time.Now().Add(to) }
}

// registry is a root that is trusted, one that is not, and an intermediate of the first.
type registry struct {
	root, intermediate, stranger *paper
	roots                        *tlsprobe.Roots
}

func newRegistry(t *testing.T) registry {
	t.Helper()
	root := sign(t, newKey(t), nil, asAuthority("Test Root"))
	return registry{
		root: root, intermediate: sign(t, newKey(t), root, asAuthority("Test Intermediate")),
		stranger: sign(t, newKey(t), nil, asAuthority("Stranger Root")), roots: tlsprobe.NewRoots(root.cert),
	}
}

// leaf is a good certificate of the intermediate, with changes.
func (r registry) leaf(t *testing.T, changes ...func(*x509.Certificate)) *paper {
	t.Helper()
	return sign(t, newKey(t), r.intermediate, changes...)
}

func newRSAKey(t *testing.T, bits int) crypto.Signer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// files writes a chain and its key where a server finds them.
func files(t *testing.T, chain ...*paper) (certFile, keyFile string) {
	t.Helper()
	folder := t.TempDir()
	var text []byte
	for _, p := range chain {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.cert.Raw})...)
	}
	der, err := x509.MarshalPKCS8PrivateKey(chain[0].key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(folder, "cert.pem"), filepath.Join(folder, "key.pem")
	writeFile(t, certFile, string(text))
	writeFile(t, keyFile, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
	return certFile, keyFile
}

// pairOf is a chain for a server of crypto/tls.
func pairOf(chain ...*paper) tls.Certificate {
	pair := tls.Certificate{PrivateKey: chain[0].key}
	for _, p := range chain {
		pair.Certificate = append(pair.Certificate, p.cert.Raw)
	}
	return pair
}

func certs(all ...*paper) []*x509.Certificate {
	var list []*x509.Certificate
	for _, p := range all {
		list = append(list, p.cert)
	}
	return list
}
