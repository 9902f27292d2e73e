package keystore

import (
	"encoding/pem"
	"errors"
)

// parsePEM takes every CERTIFICATE block.
func parsePEM(data []byte) (*Store, error) {
	s := &Store{Kind: PEM}
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		if err := s.add("", block.Bytes, false); err != nil {
			return nil, err
		}
	}
	if len(s.Entries) == 0 {
		return nil, errors.New("none of its certificates can be read: give PEM that openssl x509 reads")
	}
	return s, nil
}
