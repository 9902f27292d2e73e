package revocation

import (
	"crypto"
	"crypto/x509"
	encoding "encoding/asn1"
	"math/big"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// maxSigners is how many certificates of a response are looked at.
const maxSigners = 8

// ocspParts are what the library leaves out of account: all certificates of a response, in whatever order, and for which
// issuer it is.
type ocspParts struct {
	bare   []byte // the response without certificates, so that the library does not take the first for the signer's
	certs  []*x509.Certificate
	single []certID
}

// certID names a certificate (RFC 6960 section 4.1.1).
type certID struct {
	hash      crypto.Hash // 0: one that is not known
	name, key []byte
	serial    *big.Int
}

func zero() asn1.Tag { return asn1.Tag(0).ContextSpecific().Constructed() }

// splitOCSP reads an OCSPResponse (RFC 6960 section 4.2.1) as far as its parts.
func splitOCSP(der []byte) (ocspParts, *Error) {
	kind, basic, bad := openOCSP(der)
	if bad != nil {
		return ocspParts{}, bad
	}
	var data, algorithm, signature cryptobyte.String
	if !basic.ReadASN1Element(&data, asn1.SEQUENCE) || !basic.ReadASN1Element(&algorithm, asn1.SEQUENCE) ||
		!basic.ReadASN1Element(&signature, asn1.BIT_STRING) {
		return ocspParts{}, wrong(Malformed, "the OCSP response has no signature")
	}
	parts := ocspParts{certs: readSigners(basic)}
	var ok bool
	if parts.single, ok = readSingles(data); !ok {
		return ocspParts{}, wrong(Malformed, "the OCSP response says nothing that can be read")
	}
	var err error
	if parts.bare, err = joinOCSP(kind, data, algorithm, signature); err != nil {
		return ocspParts{}, wrong(Malformed, "%s", quote(err.Error()))
	}
	return parts, nil
}

// openOCSP is the BasicOCSPResponse in a response, and the element that says that it is one.
func openOCSP(der []byte) (kind, basic cryptobyte.String, bad *Error) {
	input := cryptobyte.String(der)
	var response, explicit, body, content cryptobyte.String
	var status int
	if !input.ReadASN1(&response, asn1.SEQUENCE) || !input.Empty() || !response.ReadASN1Enum(&status) {
		return nil, nil, wrong(Malformed, "it is no OCSP response")
	}
	if status != 0 {
		return nil, nil, refusal(status)
	}
	if !response.ReadASN1(&explicit, zero()) || !response.Empty() || !explicit.ReadASN1(&body, asn1.SEQUENCE) ||
		!body.ReadASN1Element(&kind, asn1.OBJECT_IDENTIFIER) || !body.ReadASN1(&content, asn1.OCTET_STRING) ||
		!content.ReadASN1(&basic, asn1.SEQUENCE) || !content.Empty() {
		return nil, nil, wrong(Malformed, "it is no OCSP response with a content")
	}
	return kind, basic, nil
}

// joinOCSP makes an OCSPResponse of its parts, without certificates.
func joinOCSP(kind, data, algorithm, signature []byte) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Enum(0)
		b.AddASN1(zero(), func(b *cryptobyte.Builder) {
			b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddBytes(kind)
				b.AddASN1(asn1.OCTET_STRING, func(b *cryptobyte.Builder) {
					b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
						b.AddBytes(data)
						b.AddBytes(algorithm)
						b.AddBytes(signature)
					})
				})
			})
		})
	})
	return b.Bytes()
}

// refusal is a response that only has a status: it is not signed, and anybody may have made it.
func refusal(status int) *Error {
	switch status {
	case 1:
		return wrong(Refused, "the responder calls the question malformed")
	case 2:
		return wrong(Refused, "the responder has an internal error")
	case 3:
		return wrong(Refused, "the responder says to try later")
	case 5:
		return wrong(Refused, "the responder wants signed questions")
	case 6:
		return wrong(Unauthorized, "the responder says that it is none for the certificate, or not for this host")
	default:
		return wrong(Malformed, "the responder answers with the status %d", status)
	}
}

// readSigners reads the certificates at the end of a BasicOCSPResponse. Those that do not parse are passed by.
func readSigners(rest cryptobyte.String) []*x509.Certificate {
	var explicit, list cryptobyte.String
	if !rest.ReadASN1(&explicit, zero()) || !explicit.ReadASN1(&list, asn1.SEQUENCE) {
		return nil
	}
	var certs []*x509.Certificate
	for range maxSigners {
		var der cryptobyte.String
		if !list.ReadASN1Element(&der, asn1.SEQUENCE) {
			break
		}
		if cert, err := x509.ParseCertificate(der); err == nil {
			certs = append(certs, cert)
		}
	}
	return certs
}

// readSingles reads which certificates a ResponseData is about.
func readSingles(data cryptobyte.String) ([]certID, bool) {
	var tbs, responder, list cryptobyte.String
	var tag asn1.Tag
	if !data.ReadASN1(&tbs, asn1.SEQUENCE) || !tbs.SkipOptionalASN1(zero()) ||
		!tbs.ReadAnyASN1(&responder, &tag) || !tbs.SkipASN1(asn1.GeneralizedTime) || !tbs.ReadASN1(&list, asn1.SEQUENCE) {
		return nil, false
	}
	var ids []certID
	for !list.Empty() {
		var single, id, algorithm, name, key cryptobyte.String
		var oid encoding.ObjectIdentifier
		one := certID{serial: new(big.Int)}
		if !list.ReadASN1(&single, asn1.SEQUENCE) || !single.ReadASN1(&id, asn1.SEQUENCE) ||
			!id.ReadASN1(&algorithm, asn1.SEQUENCE) || !algorithm.ReadASN1ObjectIdentifier(&oid) ||
			!id.ReadASN1(&name, asn1.OCTET_STRING) || !id.ReadASN1(&key, asn1.OCTET_STRING) ||
			!id.ReadASN1Integer(one.serial) {
			return nil, false
		}
		one.hash, one.name, one.key = hashOf(oid), name, key
		ids = append(ids, one)
	}
	return ids, true
}

func hashOf(oid encoding.ObjectIdentifier) crypto.Hash {
	switch oid.String() {
	case "1.3.14.3.2.26":
		return crypto.SHA1
	case "2.16.840.1.101.3.4.2.1":
		return crypto.SHA256
	case "2.16.840.1.101.3.4.2.2":
		return crypto.SHA384
	case "2.16.840.1.101.3.4.2.3":
		return crypto.SHA512
	default:
		return 0
	}
}

// names says whether the response is about the certificate. The library compares serial numbers alone, and takes the first
// that is the same: so is it here.
func (p ocspParts) names(cert, issuer *x509.Certificate) *Error {
	for _, id := range p.single {
		if id.serial.Cmp(cert.SerialNumber) != 0 {
			continue
		}
		if !id.of(issuer) {
			return wrong(Mismatched, "it is about a certificate of another issuer")
		}
		return nil
	}
	return wrong(Mismatched, "it is about other certificates")
}

func (id certID) of(issuer *x509.Certificate) bool {
	key, ok := publicKey(issuer)
	if id.hash == 0 || !ok {
		return false
	}
	sum := func(data []byte) string {
		h := id.hash.New()
		_, _ = h.Write(data) // a hash.Hash never fails
		return string(h.Sum(nil))
	}
	return sum(issuer.RawSubject) == string(id.name) && sum(key) == string(id.key)
}

// publicKey is the key as its hash is made of it: the bit string's bytes, without what comes before.
func publicKey(cert *x509.Certificate) ([]byte, bool) {
	input := cryptobyte.String(cert.RawSubjectPublicKeyInfo)
	var info cryptobyte.String
	var key encoding.BitString
	if !input.ReadASN1(&info, asn1.SEQUENCE) || !info.SkipASN1(asn1.SEQUENCE) || !info.ReadASN1BitString(&key) {
		return nil, false
	}
	return key.RightAlign(), true
}
