package keystore

import (
	"bytes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha1" //nolint:gosec // what older files are checked with
	"crypto/sha256"
	"crypto/sha512"
	"encoding/asn1"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"
)

// Bounds on the parameters of a key derivation; real salts have 8 to 20 bytes.
const maxSalt = 1024

// mac is the integrity check of a file (RFC 7292 section 4, MacData).
type mac struct {
	scheme
	digest []byte
}

func readMAC(outer *cryptobyte.String) (*mac, error) {
	var data, info, digest cryptobyte.String
	m := &mac{scheme: scheme{iterations: 1}}
	if !outer.ReadASN1(&data, der.SEQUENCE) || !data.ReadASN1(&info, der.SEQUENCE) {
		return nil, errPFX
	}
	id, _, ok := readAlgorithm(&info)
	if !ok || !info.ReadASN1(&digest, der.OCTET_STRING) || !data.ReadASN1Bytes(&m.salt, der.OCTET_STRING) ||
		!data.Empty() && !data.ReadASN1Integer(&m.iterations) {
		return nil, errPFX
	}
	m.digest = digest
	switch id.String() {
	case "1.3.14.3.2.26":
		m.hash = sha1.New
	case "2.16.840.1.101.3.4.2.1":
		m.hash = sha256.New
	case "2.16.840.1.101.3.4.2.2":
		m.hash = sha512.New384
	case "2.16.840.1.101.3.4.2.3":
		m.hash = sha512.New
	default:
		return nil, fmt.Errorf("its integrity check is of a kind that is not read (%s): write it anew with keytool "+
			"-importkeystore -deststoretype PKCS12", id)
	}
	return m, nil
}

// checkMAC is nil where the password is the file's.
func (p *pfx) checkMAC(password string) error {
	if err := p.spend(p.mac.scheme); err != nil {
		return err
	}
	sum := hmac.New(p.mac.hash, derive(p.mac.scheme, 3, bmp(password), p.mac.hash().Size()))
	sum.Write(p.safe)
	if !hmac.Equal(sum.Sum(nil), p.mac.digest) {
		return ErrPassword
	}
	return nil
}

// spend takes the cost of a derivation from what the file may ask for.
func (p *pfx) spend(s scheme) error {
	if s.iterations < 1 || s.iterations > p.budget || len(s.salt) > maxSalt {
		return fmt.Errorf("it asks for more than %d rounds to derive a key, which Java refuses too", maxDerivations)
	}
	p.budget -= s.iterations
	return nil
}

// decrypt opens an EncryptedData (RFC 5652 section 8).
func (p *pfx) decrypt(content cryptobyte.String, password string) ([]byte, error) {
	var outer, info, sealed cryptobyte.String
	var kind asn1.ObjectIdentifier
	if !content.ReadASN1(&outer, der.SEQUENCE) || !outer.SkipASN1(der.INTEGER) ||
		!outer.ReadASN1(&info, der.SEQUENCE) || !info.ReadASN1ObjectIdentifier(&kind) {
		return nil, errPFX
	}
	s, pbes2, err := readScheme(&info)
	if err != nil {
		return nil, err
	}
	if !info.ReadASN1(&sealed, der.Tag(0).ContextSpecific()) {
		return nil, errPFX
	}
	if err := p.spend(*s); err != nil {
		return nil, err
	}
	var key []byte
	if pbes2 {
		key, err = pbkdf2.Key(s.hash, password, s.salt, s.iterations, s.keyBytes)
	} else {
		key, s.iv = derive(*s, 1, bmp(password), s.keyBytes), derive(*s, 2, bmp(password), 8)
	}
	if err != nil {
		return nil, fmt.Errorf("its key cannot be derived: %w", err)
	}
	return unseal(s, key, sealed)
}

// unseal decrypts in the mode CBC and takes the padding off. A padding that is none is of a wrong password.
func unseal(s *scheme, key, sealed []byte) ([]byte, error) {
	block, err := s.block(key)
	if err != nil {
		return nil, fmt.Errorf("its key cannot be used: %w", err)
	}
	size := block.BlockSize()
	if len(s.iv) != size || len(sealed) == 0 || len(sealed)%size != 0 {
		return nil, errPFX
	}
	plain := make([]byte, len(sealed))
	cipher.NewCBCDecrypter(block, s.iv).CryptBlocks(plain, sealed)
	pad := int(plain[len(plain)-1])
	if pad == 0 || pad > size || !bytes.Equal(plain[len(plain)-pad:], bytes.Repeat([]byte{byte(pad)}, pad)) {
		return nil, ErrPassword
	}
	return plain[:len(plain)-pad], nil
}
