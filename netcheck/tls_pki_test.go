package netcheck

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"net"
	"path/filepath"
	"testing"
	"time"

	"sallyport/tlsprobe"
	"sallyport/tlsprobe/tlsprobetest"
)

const oneDay = tlsprobetest.Day

type (
	paper  = tlsprobetest.Paper
	change = tlsprobetest.Change
)

func office() tlsprobetest.Office { return tlsprobetest.Office{Now: time.Now(), Name: "localhost"} }

// sign makes a certificate for localhost and its addresses; by is nil for one that is signed by itself.
func sign(t *testing.T, key crypto.Signer, by *paper, changes ...change) *paper {
	t.Helper()
	return office().Issue(t, key, by, append([]change{withAddresses}, changes...)...)
}

func withAddresses(c *x509.Certificate) {
	c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
}

func asAuthority(name string) change { return office().Authority(name) }

func lasting(from, to time.Duration) change { return office().Valid(from, to) }

func newKey(t *testing.T) crypto.Signer { t.Helper(); return tlsprobetest.NewKey(t) }

func newRSAKey(t *testing.T, bits int) crypto.Signer {
	t.Helper()
	return tlsprobetest.NewRSAKey(t, bits)
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
		stranger: sign(t, newKey(t), nil, asAuthority("Stranger Root")), roots: tlsprobe.NewRoots(root.Cert),
	}
}

// leaf is a good certificate of the intermediate, with changes.
func (r registry) leaf(t *testing.T, changes ...change) *paper {
	t.Helper()
	return sign(t, newKey(t), r.intermediate, changes...)
}

// files writes a chain and its key where a server finds them.
func files(t *testing.T, chain ...*paper) (certFile, keyFile string) {
	t.Helper()
	folder := t.TempDir()
	var text []byte
	for _, p := range chain {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.Cert.Raw})...)
	}
	der, err := x509.MarshalPKCS8PrivateKey(chain[0].Key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(folder, "cert.pem"), filepath.Join(folder, "key.pem")
	writeFile(t, certFile, string(text))
	writeFile(t, keyFile, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
	return certFile, keyFile
}
