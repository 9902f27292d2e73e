package keystore

import (
	"bytes"
	"encoding/asn1"
	"encoding/binary"
	"fmt"
	"slices"
	"unicode/utf16"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"
)

// Object identifiers of bags and their attributes (RFC 7292 appendix D; RFC 2985 section 5.5).
func oidKeyBag() asn1.ObjectIdentifier {
	return asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 10, 1, 1}
}
func oidShroudedBag() asn1.ObjectIdentifier {
	return asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 10, 1, 2}
}
func oidCertBag() asn1.ObjectIdentifier {
	return asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 10, 1, 3}
}
func oidX509() asn1.ObjectIdentifier  { return asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 22, 1} }
func oidAlias() asn1.ObjectIdentifier { return asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 20} }
func oidKeyID() asn1.ObjectIdentifier { return asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 21} }

// oidTrusted is Oracle's attribute of a certificate that is trusted. Java takes one without it for a link of a private
// key's chain, and trusts it not.
func oidTrusted() asn1.ObjectIdentifier {
	return asn1.ObjectIdentifier{2, 16, 840, 1, 113894, 746875, 1, 1}
}

// bags are what the parts of a PKCS #12 file hold: certificates, and the marks of private keys, whose certificates may
// stand in another part.
type bags struct {
	certs []certBag
	keys  [][]byte // local key IDs
}

type certBag struct {
	der, keyID []byte
	alias      string
	trusted    bool
}

// read adds the bags of one part.
func (b *bags) read(part []byte) error {
	input, list := cryptobyte.String(part), cryptobyte.String(nil)
	if !input.ReadASN1(&list, der.SEQUENCE) {
		return errPFX
	}
	for !list.Empty() {
		if len(b.certs)+len(b.keys) >= MaxEntries {
			return fmt.Errorf("more than %d entries", MaxEntries)
		}
		if !b.readOne(&list) {
			return errPFX
		}
	}
	return nil
}

func (b *bags) readOne(list *cryptobyte.String) bool {
	var bag, value cryptobyte.String
	var kind asn1.ObjectIdentifier
	if !list.ReadASN1(&bag, der.SEQUENCE) || !bag.ReadASN1ObjectIdentifier(&kind) ||
		!bag.ReadASN1(&value, der.Tag(0).Constructed().ContextSpecific()) {
		return false
	}
	var c certBag
	if !bag.Empty() && !c.attributes(&bag) {
		return false
	}
	switch {
	case kind.Equal(oidKeyBag()), kind.Equal(oidShroudedBag()):
		b.keys = append(b.keys, c.keyID)
	case kind.Equal(oidCertBag()):
		var inner, held cryptobyte.String
		var form asn1.ObjectIdentifier
		if !value.ReadASN1(&inner, der.SEQUENCE) || !inner.ReadASN1ObjectIdentifier(&form) ||
			!inner.ReadASN1(&held, der.Tag(0).Constructed().ContextSpecific()) {
			return false
		}
		if form.Equal(oidX509()) && held.ReadASN1Bytes(&c.der, der.OCTET_STRING) {
			b.certs = append(b.certs, c)
		}
	}
	return true
}

// attributes reads those of a bag that matter here.
func (c *certBag) attributes(bag *cryptobyte.String) bool {
	var set cryptobyte.String
	if !bag.ReadASN1(&set, der.SET) {
		return false
	}
	for !set.Empty() {
		var attribute, values cryptobyte.String
		var id asn1.ObjectIdentifier
		if !set.ReadASN1(&attribute, der.SEQUENCE) || !attribute.ReadASN1ObjectIdentifier(&id) ||
			!attribute.ReadASN1(&values, der.SET) {
			return false
		}
		var text []byte
		switch {
		case id.Equal(oidTrusted()):
			c.trusted = true
		case id.Equal(oidKeyID()):
			_ = values.ReadASN1Bytes(&c.keyID, der.OCTET_STRING)
		case id.Equal(oidAlias()) && values.ReadASN1Bytes(&text, der.Tag(30)): // BMPString
			c.alias = fromBMP(text)
		}
	}
	return true
}

// trusted gives the store what Java trusts of the bags: what is marked, and the certificate of each private key.
func (b *bags) trusted(s *Store) error {
	for _, c := range b.certs {
		key := len(c.keyID) > 0 && slices.ContainsFunc(b.keys, func(id []byte) bool { return bytes.Equal(id, c.keyID) })
		if !c.trusted && !key {
			s.Unmarked++
			continue
		}
		if err := s.add(c.alias, c.der, key); err != nil {
			return err
		}
	}
	return nil
}

func fromBMP(text []byte) string {
	units := make([]uint16, 0, len(text)/2)
	for ; len(text) >= 2; text = text[2:] {
		units = append(units, binary.BigEndian.Uint16(text))
	}
	return string(utf16.Decode(units))
}
