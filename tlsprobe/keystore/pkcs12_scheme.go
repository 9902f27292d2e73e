package keystore

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"  //nolint:gosec // what Java 8 sealed its stores with
	"crypto/sha1" //nolint:gosec // the same
	"crypto/sha256"
	"crypto/sha512"
	"encoding/asn1"
	"fmt"
	"hash"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"
)

// scheme is how a key is derived from a password.
type scheme struct {
	salt       []byte
	iterations int
	hash       func() hash.Hash
	keyBytes   int
	block      func(key []byte) (cipher.Block, error)
	iv         []byte // nil: it is derived too
}

// readAlgorithm reads an AlgorithmIdentifier.
func readAlgorithm(s *cryptobyte.String) (id asn1.ObjectIdentifier, parameters cryptobyte.String, ok bool) {
	var algorithm cryptobyte.String
	ok = s.ReadASN1(&algorithm, der.SEQUENCE) && algorithm.ReadASN1ObjectIdentifier(&id)
	return id, algorithm, ok
}

// readScheme reads how a part is encrypted: as Java 8 up to update 291 did it (RFC 7292 appendix C), or by PBES2 (RFC
// 8018 section 6.2), which the second value tells.
func readScheme(s *cryptobyte.String) (*scheme, bool, error) {
	id, parameters, ok := readAlgorithm(s)
	if !ok {
		return nil, false, errPFX
	}
	r := &scheme{hash: sha1.New}
	switch id.String() {
	case "1.2.840.113549.1.5.13":
		r, err := readPBES2(parameters)
		return r, true, err
	case "1.2.840.113549.1.12.1.3":
		r.keyBytes, r.block = 24, des.NewTripleDESCipher
	case "1.2.840.113549.1.12.1.5":
		r.keyBytes, r.block = 16, newRC2
	case "1.2.840.113549.1.12.1.6":
		r.keyBytes, r.block = 5, newRC2
	default:
		return nil, false, unreadCipher(id)
	}
	var fields cryptobyte.String
	if !parameters.ReadASN1(&fields, der.SEQUENCE) || !fields.ReadASN1Bytes(&r.salt, der.OCTET_STRING) ||
		!fields.ReadASN1Integer(&r.iterations) {
		return nil, false, errPFX
	}
	return r, false, nil
}

func unreadCipher(id asn1.ObjectIdentifier) error {
	return fmt.Errorf("it is encrypted in a way that is not read (%s): write it anew with keytool -importkeystore "+
		"-deststoretype PKCS12", id)
}

// readPBES2 reads the parameters of PBES2 with PBKDF2 and AES.
func readPBES2(parameters cryptobyte.String) (*scheme, error) {
	var both, fields cryptobyte.String
	if !parameters.ReadASN1(&both, der.SEQUENCE) {
		return nil, errPFX
	}
	kdf, kdfParameters, ok := readAlgorithm(&both)
	if !ok || kdf.String() != "1.2.840.113549.1.5.12" {
		return nil, errPFX
	}
	s := &scheme{hash: sha1.New, block: aes.NewCipher}
	if !kdfParameters.ReadASN1(&fields, der.SEQUENCE) || !fields.ReadASN1Bytes(&s.salt, der.OCTET_STRING) ||
		!fields.ReadASN1Integer(&s.iterations) || !fields.SkipOptionalASN1(der.INTEGER) {
		return nil, errPFX
	}
	if !fields.Empty() && !s.readPRF(&fields) {
		return nil, errPFX
	}
	id, iv, ok := readAlgorithm(&both)
	if !ok || !iv.ReadASN1Bytes(&s.iv, der.OCTET_STRING) {
		return nil, errPFX
	}
	switch id.String() {
	case "2.16.840.1.101.3.4.1.2":
		s.keyBytes = 16
	case "2.16.840.1.101.3.4.1.22":
		s.keyBytes = 24
	case "2.16.840.1.101.3.4.1.42":
		s.keyBytes = 32
	default:
		return nil, unreadCipher(id)
	}
	return s, nil
}

// readPRF reads the hash of PBKDF2 (RFC 8018 appendix B.1).
func (s *scheme) readPRF(fields *cryptobyte.String) bool {
	id, _, ok := readAlgorithm(fields)
	switch id.String() {
	case "1.2.840.113549.2.7":
	case "1.2.840.113549.2.9":
		s.hash = sha256.New
	case "1.2.840.113549.2.10":
		s.hash = sha512.New384
	case "1.2.840.113549.2.11":
		s.hash = sha512.New
	default:
		return false
	}
	return ok
}
