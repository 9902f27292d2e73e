package revocation

import (
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"hash/maphash"
	"math/big"
	"runtime"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
	"golang.org/x/crypto/ocsp"

	"sallyport/tlsprobe/tlsprobetest"
)

// house is an authority and a certificate of it.
type house struct {
	now      time.Time
	ca, leaf *tlsprobetest.Paper
}

func newHouse(t testing.TB) house {
	t.Helper()
	h := house{now: time.Now()}
	office := tlsprobetest.Office{Now: h.now, Name: "localhost"}
	h.ca = office.Issue(t, tlsprobetest.NewKey(t), nil, office.Authority("CA"), mayList)
	h.leaf = office.Issue(t, tlsprobetest.NewKey(t), h.ca)
	return h
}

func mayList(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageCRLSign }

// response is one of the authority's own, about the certificate.
func (h house) response(t testing.TB, change func(*ocsp.Response)) []byte {
	t.Helper()
	template := ocsp.Response{Status: ocsp.Good, SerialNumber: h.leaf.Cert.SerialNumber, ThisUpdate: h.now.Add(-time.Minute),
		NextUpdate: h.now.Add(time.Hour)}
	if change != nil {
		change(&template)
	}
	der, err := ocsp.CreateResponse(h.ca.Cert, h.ca.Cert, template, h.ca.Key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// list is one of the authority's with those serial numbers.
func (h house) list(t testing.TB, serials ...*big.Int) []byte {
	t.Helper()
	template := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: h.now.Add(-time.Minute),
		NextUpdate: h.now.Add(time.Hour)}
	for _, serial := range serials {
		template.RevokedCertificateEntries = append(template.RevokedCertificateEntries,
			x509.RevocationListEntry{SerialNumber: serial, RevocationTime: h.now, ReasonCode: 1})
	}
	der, err := x509.CreateRevocationList(rand.Reader, template, h.ca.Cert, h.ca.Key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func problemOf(err error) Problem {
	bad, _ := errors.AsType[*Error](err)
	if bad == nil {
		return ""
	}
	return bad.Problem
}

// TestJudgeOCSPDates goes through the instants at which one response is judged.
func TestJudgeOCSPDates(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	dated, undated := h.response(t, nil), h.response(t, func(r *ocsp.Response) { r.NextUpdate = time.Time{} })
	for _, test := range []struct {
		der   []byte
		after time.Duration
		want  Problem
	}{
		{dated, 0, ""}, {dated, -5 * time.Minute, ""}, {dated, -7 * time.Minute, NotYet}, {dated, 64 * time.Minute, ""},
		{dated, 66 * time.Minute, Stale}, {undated, 63 * time.Minute, ""}, {undated, 65 * time.Minute, Stale},
	} {
		answer, err := JudgeOCSP(test.der, h.leaf.Cert, h.ca.Cert, h.now.Add(test.after))
		if problemOf(err) != test.want || (err == nil) != (answer.Status == Good) {
			t.Errorf("after %v: %+v, %v, want %q", test.after, answer, err, test.want)
		}
	}
}

// TestJudgeOCSPNames: a certificate is its issuer's name and key and its serial number, all three.
func TestJudgeOCSPNames(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	office := tlsprobetest.Office{Now: h.now, Name: "localhost"}
	renamed := office.Issue(t, h.ca.Key, nil, office.Authority("Renamed CA"), mayList)
	again := office.Issue(t, tlsprobetest.NewKey(t), renamed, func(c *x509.Certificate) {
		c.SerialNumber = h.leaf.Cert.SerialNumber
	})
	if _, err := JudgeOCSP(h.response(t, nil), again.Cert, renamed.Cert, h.now); problemOf(err) != Mismatched {
		t.Errorf("of the same key and number, and another name: %v", err)
	}
	other := h.response(t, func(r *ocsp.Response) { r.SerialNumber = big.NewInt(5) })
	if _, err := JudgeOCSP(other, h.leaf.Cert, h.ca.Cert, h.now); problemOf(err) != Mismatched {
		t.Errorf("of another number: %v", err)
	}
}

// TestJudgeOCSPAnyOrder: the responder's certificate may come after another.
func TestJudgeOCSPAnyOrder(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	office := tlsprobetest.Office{Now: h.now, Name: "localhost"}
	responder := office.Issue(t, tlsprobetest.NewKey(t), h.ca, func(c *x509.Certificate) {
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning}
	})
	der, err := ocsp.CreateResponse(h.ca.Cert, responder.Cert, ocsp.Response{Status: ocsp.Good,
		SerialNumber: h.leaf.Cert.SerialNumber, ThisUpdate: h.now, NextUpdate: h.now.Add(time.Hour)}, responder.Key)
	if err != nil {
		t.Fatal(err)
	}
	withCerts := func(certs ...*x509.Certificate) []byte {
		kind, basic, bad := openOCSP(der)
		if bad != nil {
			t.Fatal(bad)
		}
		var data, algorithm, signature cryptobyte.String
		if !basic.ReadASN1Element(&data, asn1.SEQUENCE) || !basic.ReadASN1Element(&algorithm, asn1.SEQUENCE) ||
			!basic.ReadASN1Element(&signature, asn1.BIT_STRING) {
			t.Fatal("no parts")
		}
		var b cryptobyte.Builder
		b.AddBytes(signature)
		b.AddASN1(zero(), func(b *cryptobyte.Builder) {
			b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
				for _, cert := range certs {
					b.AddBytes(cert.Raw)
				}
			})
		})
		joined, err := joinOCSP(kind, data, algorithm, b.BytesOrPanic())
		if err != nil {
			t.Fatal(err)
		}
		return joined
	}
	both := withCerts(h.ca.Cert, responder.Cert)
	if a, err := JudgeOCSP(both, h.leaf.Cert, h.ca.Cert, h.now); err != nil || a.Status != Good {
		t.Errorf("%+v, %v", a, err)
	}
	if _, err := JudgeOCSP(withCerts(h.ca.Cert), h.leaf.Cert, h.ca.Cert, h.now); problemOf(err) != BadSignature {
		t.Errorf("without its own: %v", err)
	}
}

// TestJudgeCRL: a list that is signed, its dates, its issuer's rights, and extensions that are not known.
func TestJudgeCRL(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	der := h.list(t, big.NewInt(127), big.NewInt(128), h.leaf.Cert.SerialNumber)
	list, err := JudgeCRL(der, h.ca.Cert, h.now)
	if err != nil {
		t.Fatal(err)
	}
	for serial, want := range map[int64]Status{127: Revoked, 128: Revoked, 129: Good, 0: Good} {
		if a, err := list.Of(&x509.Certificate{SerialNumber: big.NewInt(serial)}); err != nil || a.Status != want {
			t.Errorf("%d: %+v, %v", serial, a, err)
		}
	}
	if a, err := list.Of(h.leaf.Cert); err != nil || a.Status != Revoked || a.Reason.String() != "keyCompromise" ||
		a.RevokedAt.Unix() != h.now.Unix() {
		t.Errorf("%+v, %v", a, err)
	}
	cut := append([]byte{}, der...)
	cut[len(cut)-1] ^= 1
	if _, err := JudgeCRL(cut, h.ca.Cert, h.now); problemOf(err) != BadSignature {
		t.Errorf("forged: %v", err)
	}
	if _, err := JudgeCRL(der, h.ca.Cert, h.now.Add(66*time.Minute)); problemOf(err) != Stale {
		t.Errorf("stale: %v", err)
	}
	may := *h.ca.Cert
	may.KeyUsage = x509.KeyUsageCertSign
	if _, err := JudgeCRL(der, &may, h.now); problemOf(err) != Unauthorized {
		t.Errorf("of an issuer without the right: %v", err)
	}
	strange := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: h.now, NextUpdate: h.now.Add(time.Hour),
		ExtraExtensions: []pkix.Extension{{Id: []int{1, 2, 3}, Critical: true, Value: []byte{5, 0}}}}
	der, err = x509.CreateRevocationList(rand.Reader, strange, h.ca.Cert, h.ca.Key)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := JudgeCRL(der, h.ca.Cert, h.now); problemOf(err) != Unsupported {
		t.Errorf("strange: %v", err)
	}
}

// TestLargeListIsSmall: what is kept of a long list, and what it takes to read it: of one of 10 MiB 4 MiB, and
// 30 MiB on the way.
func TestLargeListIsSmall(t *testing.T) {
	h := newHouse(t)
	serials := make([]*big.Int, 60_000)
	base := new(big.Int).Lsh(big.NewInt(1), 60)
	for i := range serials {
		serials[i] = new(big.Int).Add(base, big.NewInt(int64(i)))
	}
	der := h.list(t, serials...)
	if len(der) > MaxCRL || len(der) < 2<<20 {
		t.Fatalf("a list of %d bytes", len(der))
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	start := time.Now()
	list, err := JudgeCRL(der, h.ca.Cert, h.now)
	took := time.Since(start)
	runtime.ReadMemStats(&after)
	if err != nil {
		t.Fatal(err)
	}
	allocated := after.TotalAlloc - before.TotalAlloc
	t.Logf("%d bytes: %v, %d bytes allocated on the way, %d kept", len(der), took, allocated, list.size())
	if list.size() > len(der)/2 || allocated > 4*uint64(len(der)) {
		t.Errorf("%d bytes kept, %d allocated", list.size(), allocated)
	}
	if a, err := list.Of(&x509.Certificate{SerialNumber: serials[50_000]}); err != nil || a.Status != Revoked {
		t.Errorf("%+v, %v", a, err)
	}
}

func FuzzJudgeOCSP(f *testing.F) {
	h := newHouse(f)
	f.Add(h.response(f, nil))
	f.Add(h.response(f, func(r *ocsp.Response) { r.Status, r.RevokedAt, r.RevocationReason = ocsp.Revoked, h.now, 1 }))
	f.Add(h.response(f, func(r *ocsp.Response) { r.Certificate = h.ca.Cert }))
	f.Add([]byte{0x30, 3, 0x0a, 1, 6})
	f.Fuzz(func(t *testing.T, der []byte) {
		answer, err := JudgeOCSP(der, h.leaf.Cert, h.ca.Cert, h.now)
		sound(t, answer, err)
	})
}

func FuzzJudgeCRL(f *testing.F) {
	h := newHouse(f)
	f.Add(h.list(f))
	f.Add(h.list(f, big.NewInt(5), h.leaf.Cert.SerialNumber))
	f.Fuzz(func(t *testing.T, der []byte) {
		list, err := JudgeCRL(der, h.ca.Cert, h.now)
		answer := Answer{}
		if err == nil {
			answer, err = list.Of(h.leaf.Cert)
		}
		sound(t, answer, err)
	})
}

// FuzzReadScope reads the one extension of lists that has a grammar of its own, without a signature before it; and the
// entries.
func FuzzReadScope(f *testing.F) {
	f.Add([]byte{0x30, 3, 0x81, 1, 0xff})
	f.Add([]byte{0x30, 8, 0xa0, 6, 0xa0, 4, 0x86, 2, 'h', ':'})
	f.Add([]byte{0x30, 0x12, 2, 1, 5, 0x17, 13, '2', '6', '0', '1', '0', '1', '0', '0', '0', '0', '0', '0', 'Z'})
	f.Fuzz(func(t *testing.T, der []byte) {
		if s, bad := readPoint(der); bad == nil {
			_ = s.covers(&x509.Certificate{})
		} else {
			sound(t, Answer{}, bad)
		}
		list := &List{seed: maphash.MakeSeed()}
		if bad := list.read(der); bad == nil && len(list.entries) > len(der)/15+1 {
			t.Errorf("%d entries of %d bytes", len(list.entries), len(der))
		}
	})
}

// sound holds of every judgement that it is an answer or an error, which is fit for people.
func sound(t *testing.T, answer Answer, err error) {
	t.Helper()
	if err == nil {
		if answer.Status == Unknown || answer.Produced.IsZero() || (answer.Status == Revoked) == answer.RevokedAt.IsZero() {
			t.Errorf("%+v", answer)
		}
		return
	}
	if answer != (Answer{}) || problemOf(err) == "" {
		t.Errorf("%+v with %v", answer, err)
	}
	for _, r := range err.Error() {
		if (r < ' ' || r > '~') && r != '…' {
			t.Errorf("error %q", err)
		}
	}
}
