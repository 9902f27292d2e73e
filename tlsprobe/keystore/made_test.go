package keystore

import (
	"encoding/binary"
	"testing"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"
)

// jksOf is a JKS file of one certificate, without a valid digest.
func jksOf(raw []byte) []byte {
	b := append(jksMagic(), 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 0, 1, 'a', 0, 0, 0, 0, 0, 0, 0, 0, 0, 5)
	b = append(b, "X.509"...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(raw)))
	return append(append(b, raw...), make([]byte, 20)...)
}

// pfxOf is a PKCS #12 file of one trusted certificate, neither encrypted nor checked, as Java 18 writes its cacerts.
func pfxOf(raw []byte) []byte {
	var parts, bags, b cryptobyte.Builder
	sequence := func(b *cryptobyte.Builder, f func(*cryptobyte.Builder)) { b.AddASN1(der.SEQUENCE, f) }
	explicit := func(b *cryptobyte.Builder, f func(*cryptobyte.Builder)) {
		b.AddASN1(der.Tag(0).Constructed().ContextSpecific(), f)
	}
	sequence(&bags, func(b *cryptobyte.Builder) {
		sequence(b, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(oidCertBag())
			explicit(b, func(b *cryptobyte.Builder) {
				sequence(b, func(b *cryptobyte.Builder) {
					b.AddASN1ObjectIdentifier(oidX509())
					explicit(b, func(b *cryptobyte.Builder) { b.AddASN1OctetString(raw) })
				})
			})
			b.AddASN1(der.SET, func(b *cryptobyte.Builder) {
				sequence(b, func(b *cryptobyte.Builder) {
					b.AddASN1ObjectIdentifier(oidTrusted())
					b.AddASN1(der.SET, func(*cryptobyte.Builder) {})
				})
			})
		})
	})
	content := func(data []byte) func(*cryptobyte.Builder) {
		return func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(oidData())
			explicit(b, func(b *cryptobyte.Builder) { b.AddASN1OctetString(data) })
		}
	}
	sequence(&parts, func(b *cryptobyte.Builder) { sequence(b, content(bags.BytesOrPanic())) })
	sequence(&b, func(b *cryptobyte.Builder) { b.AddASN1Int64(3); sequence(b, content(parts.BytesOrPanic())) })
	return b.BytesOrPanic()
}

// TestParseHostile holds that what a file asks for is not what it gets.
func TestParseHostile(t *testing.T) {
	t.Parallel()
	good := pfxOf([]byte("no certificate"))
	if s, err := Parse(good, Options{}); err != nil || s.Unreadable != 1 || len(s.Entries) != 0 {
		t.Errorf("%+v, %v", s, err)
	}
	for name, s := range map[string]scheme{
		"rounds": {iterations: maxDerivations + 1}, "none": {}, "salt": {iterations: 1, salt: make([]byte, maxSalt+1)},
	} {
		if err := (&pfx{budget: maxDerivations}).spend(s); err == nil {
			t.Errorf("%s: it is done", name)
		}
	}
	p := &pfx{budget: maxDerivations}
	for range 4 {
		if err := p.spend(scheme{iterations: maxDerivations / 4}); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.spend(scheme{iterations: 1}); err == nil {
		t.Error("parts together may ask for what one may not")
	}
}
