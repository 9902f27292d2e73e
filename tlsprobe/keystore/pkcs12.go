package keystore

import (
	"bytes"
	"encoding/asn1"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"
)

// maxParts is how many parts a PKCS #12 file may have: Java and OpenSSL write one or two.
const maxParts = 32

// maxDerivations bounds the hashing that a file can ask for, over all its parts and passwords: Java's own bound on one
// (PKCS12KeyStore.MAX_ITERATION_COUNT).
const maxDerivations = 5_000_000

func oidData() asn1.ObjectIdentifier      { return asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1} }
func oidEncrypted() asn1.ObjectIdentifier { return asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 6} }

var errPFX = errors.New("it is cut off, or no sound PKCS #12 file in DER")

// isPKCS12 knows a PFX by its first fields: a sequence that begins with the integer 3 (RFC 7292 section 4).
func isPKCS12(data []byte) bool {
	if len(data) < 8 || data[0] != 0x30 {
		return false
	}
	header := 2
	if data[1]&0x80 != 0 {
		header += int(data[1] & 0x7F)
	}
	return header+3 <= len(data) && bytes.Equal(data[header:header+3], []byte{0x02, 0x01, 0x03})
}

// pfx is a PKCS #12 file (RFC 7292 section 4) being read.
type pfx struct {
	safe   []byte // the content that the MAC is of
	mac    *mac   // nil: the file has none
	budget int    // derivations that are left
}

func parsePKCS12(data []byte, o Options) (*Store, error) {
	p, err := newPFX(data)
	if err != nil {
		return nil, err
	}
	for _, password := range o.Passwords {
		s, err := p.open(&password)
		if !errors.Is(err, ErrPassword) {
			return s, err
		}
	}
	if s, err := p.open(nil); o.Unchecked || err == nil && p.mac == nil && !s.Sealed {
		return s, err
	}
	return nil, fmt.Errorf("it is a PKCS #12 store, and %w: give its password (trust.password_file)", ErrPassword)
}

func newPFX(data []byte) (*pfx, error) {
	p := &pfx{budget: maxDerivations}
	input, outer, version := cryptobyte.String(data), cryptobyte.String(nil), 0
	if !input.ReadASN1(&outer, der.SEQUENCE) || !outer.ReadASN1Integer(&version) || version != 3 {
		return nil, errPFX
	}
	kind, content, ok := readContent(&outer)
	if !ok {
		return nil, errPFX
	}
	if !kind.Equal(oidData()) {
		return nil, errors.New("it is a PKCS #12 file that is signed and not sealed with a password: " +
			"write it anew with keytool -importkeystore")
	}
	if !content.ReadASN1Bytes(&p.safe, der.OCTET_STRING) {
		return nil, errPFX
	}
	var err error
	if !outer.Empty() {
		p.mac, err = readMAC(&outer)
	}
	return p, err
}

// readContent reads a ContentInfo: what it is, and what it holds.
func readContent(s *cryptobyte.String) (kind asn1.ObjectIdentifier, content cryptobyte.String, ok bool) {
	var info cryptobyte.String
	ok = s.ReadASN1(&info, der.SEQUENCE) && info.ReadASN1ObjectIdentifier(&kind) &&
		info.ReadASN1(&content, der.Tag(0).Constructed().ContextSpecific())
	return kind, content, ok
}

// open reads every part with a password. Without one, nothing is checked and what is encrypted stays unread.
func (p *pfx) open(password *string) (*Store, error) {
	if p.mac != nil && password != nil {
		if err := p.checkMAC(*password); err != nil {
			return nil, err
		}
	}
	s, bags := &Store{Kind: PKCS12}, &bags{}
	safe, parts := cryptobyte.String(p.safe), cryptobyte.String(nil)
	if !safe.ReadASN1(&parts, der.SEQUENCE) {
		return nil, errPFX
	}
	for range maxParts {
		if parts.Empty() {
			return s, bags.trusted(s)
		}
		kind, content, ok := readContent(&parts)
		if !ok {
			return nil, errPFX
		}
		plain, err := p.plain(kind, content, password)
		if errors.Is(err, errSealed) {
			s.Sealed = true
			continue
		}
		if err == nil {
			err = bags.read(plain)
		}
		if err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("it has more than %d parts", maxParts)
}

// errSealed is the error of an encrypted part that there is no password for.
var errSealed = errors.New("encrypted")

// plain is what a part holds, decrypted where it is encrypted.
func (p *pfx) plain(kind asn1.ObjectIdentifier, content cryptobyte.String, password *string) ([]byte, error) {
	var plain []byte
	switch {
	case kind.Equal(oidData()):
		if !content.ReadASN1Bytes(&plain, der.OCTET_STRING) {
			return nil, errPFX
		}
		return plain, nil
	case !kind.Equal(oidEncrypted()):
		return nil, errors.New("a part of it is encrypted for a public key, which Java does not read either")
	case password == nil:
		return nil, errSealed
	}
	return p.decrypt(content, *password)
}
