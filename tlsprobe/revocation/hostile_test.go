package revocation

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"runtime"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"sallyport/tlsprobe/tlsprobetest"
)

// TestDearLists: a list whose issuer's name fills it is refused before it becomes hundreds of MiB.
func TestDearLists(t *testing.T) {
	h := newHouse(t)
	office := tlsprobetest.Office{Now: h.now, Name: "localhost"}
	wordy := office.Issue(t, tlsprobetest.NewKey(t), nil, office.Authority("CA"), mayList, func(c *x509.Certificate) {
		c.Subject = pkix.Name{Organization: make([]string, 200_000), CommonName: "x"}
	})
	der := house{now: h.now, ca: wordy, leaf: h.leaf}.list(t)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := JudgeCRL(der, h.ca.Cert, h.now)
	runtime.ReadMemStats(&after)
	if kib := (after.TotalAlloc - before.TotalAlloc) >> 10; problemOf(err) != TooLarge || kib > 16<<10 {
		t.Errorf("%v, with %d KiB for a list of %d", err, kib, len(der)>>10)
	}
}

// TestDearKeys: nothing is computed with a key that fills a response.
func TestDearKeys(t *testing.T) {
	h := newHouse(t)
	product := new(big.Int).Lsh(big.NewInt(1), 199_999)
	product.SetBit(product, 0, 1)
	huge := &x509.Certificate{PublicKeyAlgorithm: x509.RSA, PublicKey: &rsa.PublicKey{N: product, E: 1<<31 - 1}}
	response := &ocsp.Response{SignatureAlgorithm: x509.SHA256WithRSA, Signature: make([]byte, 25_000)}
	_, _ = rand.Read(response.Signature[1:])
	began := time.Now()
	bad := signer(response, []*x509.Certificate{huge, huge, huge}, h.ca.Cert, h.now)
	if took := time.Since(began); bad == nil || took > 2*time.Second {
		t.Errorf("%v, after %s", bad, took)
	}
}
