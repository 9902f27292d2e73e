package keystore

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // the format's own integrity check is SHA-1
	"encoding/binary"
	"errors"
	"fmt"
	"unicode/utf16"
)

// The format is that of sun.security.provider.JavaKeyStore (engineLoad); numbers are big-endian:
//
//	magic FEEDFEED, version 1 or 2, number of entries
//	entry: tag, alias (modified UTF-8, 16-bit length), date in milliseconds (64 bits)
//	  tag 1, private key:  32-bit length and key, number of certificates, each as below
//	  tag 2, certificate:  type (version 2 only; 16-bit length), 32-bit length and DER form
//	SHA-1 of the password in UTF-16, of "Mighty Aphrodite" and of all before
//
// Libraries for it allocate what a file says that it holds; here a length that the file does not have is an error.

func jksMagic() []byte { return []byte{0xFE, 0xED, 0xFE, 0xED} }

const (
	jksKey         = 1
	jksCertificate = 2
	jksLeastEntry  = 4 + 2 + 8 // bytes
)

var errCut = errors.New("it is cut off, or no sound JKS file")

// jksReader takes fields from the front of data.
type jksReader struct {
	data    []byte
	version uint32
	err     error
}

func parseJKS(data []byte, o Options) (*Store, error) {
	if len(data) < 12+sha1.Size {
		return nil, errCut
	}
	body, digest := data[:len(data)-sha1.Size], data[len(data)-sha1.Size:]
	if !opensJKS(body, digest, o.Passwords) && !o.Unchecked {
		return nil, fmt.Errorf("it is a JKS store, and %w, or it is damaged: give its password (trust.password_file)",
			ErrPassword)
	}
	r := &jksReader{data: body[4:]}
	r.version = r.number()
	count := r.number()
	switch {
	case r.version != 1 && r.version != 2:
		return nil, fmt.Errorf("it is a JKS store of version %d; 1 and 2 are read", r.version)
	case count > MaxEntries:
		return nil, fmt.Errorf("more than %d entries", MaxEntries)
	case int(count) > len(r.data)/jksLeastEntry:
		return nil, errCut
	}
	s := &Store{Kind: JKS}
	for range count {
		if err := s.addJKS(r); err != nil {
			return nil, err
		}
	}
	if len(r.data) > 0 {
		return nil, errCut
	}
	return s, nil
}

// addJKS reads one entry. Of a private key, the first certificate is trusted: TrustStoreUtil.getTrustedCerts takes it.
func (s *Store) addJKS(r *jksReader) error {
	tag := r.number()
	alias := string(r.take(int(r.short())))
	r.take(8) // the date
	var der []byte
	switch {
	case r.err != nil:
	case tag == jksCertificate:
		der = r.certificate()
	case tag == jksKey:
		der = r.chain()
	default:
		return errCut
	}
	if r.err != nil || der == nil {
		return r.err
	}
	return s.add(alias, der, tag == jksKey)
}

// chain passes a private key by and returns the first of its certificates; nil where it has none.
func (r *jksReader) chain() []byte {
	r.take(int(r.number()))
	var first []byte
	for i := range r.number() {
		der := r.certificate()
		if r.err != nil {
			return nil
		}
		if i == 0 {
			first = der
		}
	}
	return first
}

func (r *jksReader) certificate() []byte {
	if r.version == 2 {
		r.take(int(r.short()))
	}
	return r.take(int(r.number()))
}

// take is the next n bytes; none, and an error, where there are fewer.
func (r *jksReader) take(n int) []byte {
	if r.err != nil || n > len(r.data) {
		r.err = errCut
		return nil
	}
	taken := r.data[:n]
	r.data = r.data[n:]
	return taken
}

func (r *jksReader) number() uint32 {
	if b := r.take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (r *jksReader) short() uint16 {
	if b := r.take(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func opensJKS(body, digest []byte, passwords []string) bool {
	for _, password := range passwords {
		hash := sha1.New() //nolint:gosec // the same
		hash.Write(utf16Bytes(password))
		hash.Write([]byte("Mighty Aphrodite"))
		hash.Write(body)
		if bytes.Equal(hash.Sum(nil), digest) {
			return true
		}
	}
	return false
}

// utf16Bytes is a text as Java's char array has it, big-endian.
func utf16Bytes(s string) []byte {
	var b []byte
	for _, unit := range utf16.Encode([]rune(s)) {
		b = binary.BigEndian.AppendUint16(b, unit)
	}
	return b
}
