package revocation

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// crlParts are a CertificateList (RFC 5280 section 5.1) taken apart: the library would make some 400 bytes of each of half
// a million entries, so it is given the list without them.
type crlParts struct {
	bare    []byte            // the list without its entries
	signed  []byte            // what the signature is of
	revoked cryptobyte.String // the entries
}

func splitCRL(der []byte) (crlParts, *Error) {
	malformed := wrong(Malformed, "it is no list of revoked certificates")
	input := cryptobyte.String(der)
	var all, signed, tbs cryptobyte.String
	if !input.ReadASN1(&all, asn1.SEQUENCE) || !input.Empty() || !all.ReadASN1Element(&signed, asn1.SEQUENCE) {
		return crlParts{}, malformed
	}
	parts := crlParts{signed: signed}
	if !signed.ReadASN1(&tbs, asn1.SEQUENCE) {
		return crlParts{}, malformed
	}
	head := tbs
	if !tbs.SkipASN1(asn1.INTEGER) || !tbs.SkipASN1(asn1.SEQUENCE) || !tbs.SkipASN1(asn1.SEQUENCE) || !skipTime(&tbs) {
		return crlParts{}, malformed
	}
	_ = skipTime(&tbs) // nextUpdate, which may be absent
	head = head[:len(head)-len(tbs)]
	if tbs.PeekASN1Tag(asn1.SEQUENCE) && !tbs.ReadASN1(&parts.revoked, asn1.SEQUENCE) {
		return crlParts{}, malformed
	}
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddBytes(head)
			b.AddBytes(tbs)
		})
		b.AddBytes(all)
	})
	var err error
	if parts.bare, err = b.Bytes(); err != nil {
		return crlParts{}, wrong(Malformed, "%s", quote(err.Error()))
	}
	return parts, nil
}

func skipTime(s *cryptobyte.String) bool {
	if s.PeekASN1Tag(asn1.UTCTime) {
		return s.SkipASN1(asn1.UTCTime)
	}
	return s.PeekASN1Tag(asn1.GeneralizedTime) && s.SkipASN1(asn1.GeneralizedTime)
}

func readTime(s *cryptobyte.String, into *time.Time) bool {
	if s.PeekASN1Tag(asn1.UTCTime) {
		return s.ReadASN1UTCTime(into)
	}
	return s.ReadASN1GeneralizedTime(into)
}

// read goes through the entries, which are bounded by the bytes of the list.
func (l *List) read(revoked cryptobyte.String) *Error {
	for !revoked.Empty() {
		var one, serial, extensions cryptobyte.String
		var at time.Time
		var extended bool
		if !revoked.ReadASN1(&one, asn1.SEQUENCE) || !one.ReadASN1(&serial, asn1.INTEGER) || !readTime(&one, &at) ||
			!one.ReadOptionalASN1(&extensions, &extended, asn1.SEQUENCE) || !one.Empty() {
			return wrong(Malformed, "an entry of the list cannot be read")
		}
		reason, bad := readReason(extensions)
		if bad != nil {
			return bad
		}
		l.add(serial, at, reason)
	}
	l.entries = slices.Clip(l.entries)
	slices.SortFunc(l.entries, func(a, b entry) int { return cmp.Compare(a.serial, b.serial) })
	return nil
}

// readReason reads the extensions of an entry. With a critical one that is not known, the whole list must not be used (RFC
// 5280 section 5.3); the certificateIssuer of an indirect list is one.
func readReason(extensions cryptobyte.String) (Reason, *Error) {
	var reason Reason
	for !extensions.Empty() {
		var one, id, value cryptobyte.String
		var critical bool
		if !extensions.ReadASN1(&one, asn1.SEQUENCE) || !one.ReadASN1(&id, asn1.OBJECT_IDENTIFIER) ||
			!one.ReadOptionalASN1Boolean(&critical, asn1.BOOLEAN, false) || !one.ReadASN1(&value, asn1.OCTET_STRING) {
			return 0, wrong(Malformed, "an entry of the list cannot be read")
		}
		switch {
		case bytes.Equal(id, []byte{0x55, 0x1d, 21}): // reasonCode, section 5.3.1
			var n int
			if !value.ReadASN1Enum(&n) {
				return 0, wrong(Malformed, "a reason in the list cannot be read")
			}
			reason = reasonOf(n)
		case bytes.Equal(id, []byte{0x55, 0x1d, 29}): // certificateIssuer, section 5.3.3
			return 0, wrong(Unsupported, "it holds certificates of other issuers (an indirect list)")
		case critical:
			return 0, wrong(Unsupported, "an entry has a critical extension that is not known")
		}
	}
	return reason, nil
}
