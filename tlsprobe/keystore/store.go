package keystore

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
)

// Bounds on a store: many times the largest in use (the cacerts of a JDK has some 150 entries in 200 KiB).
const (
	MaxBytes   = 32 << 20
	MaxEntries = 10_000
)

// DefaultPassword is what Java's own tools set, and what cacerts has where nobody changed it.
const DefaultPassword = "changeit"

// ErrPassword is the error of a store that none of the passwords opens.
var ErrPassword = errors.New("none of the passwords opens it")

// Kind is the format of a store.
type Kind string

// The formats that are read.
const (
	PEM    Kind = "PEM"
	JKS    Kind = "JKS"
	PKCS12 Kind = "PKCS12"
)

// Entry is one trusted certificate. The alias is the store's own text: escape it before it is shown.
type Entry struct {
	Alias       string // empty in a PEM bundle
	Certificate *x509.Certificate
	Key         bool // it is the certificate of a private key, which Java's trust manager trusts too
}

// Store is what a file makes trusted.
type Store struct {
	Kind       Kind
	Entries    []Entry
	Unreadable int  // trusted certificates that crypto/x509 does not parse
	Unmarked   int  // certificates of a PKCS #12 file that Java takes for no trusted ones: they lack its attribute
	Sealed     bool // a part is encrypted; see Options.Unchecked
}

// Certificates are those of the entries, in their order.
func (s *Store) Certificates() []*x509.Certificate {
	certs := make([]*x509.Certificate, 0, len(s.Entries))
	for _, entry := range s.Entries {
		certs = append(certs, entry.Certificate)
	}
	return certs
}

// Options are how a store is opened.
type Options struct {
	Passwords []string // tried one after the other
	// Unchecked is what Java does where it is given no password, once none of Passwords opens the store: the integrity
	// is not checked, and what is encrypted in a PKCS #12 file stays unread (sun.security.pkcs12.PKCS12KeyStore).
	Unchecked bool
}

// Read reads the store in a file. An error names the file, what is wrong and the mend.
func Read(path string, o Options) (*Store, error) {
	data, err := ReadBytes(path)
	if err != nil {
		return nil, err
	}
	store, err := Parse(data, o)
	if err != nil {
		return nil, fmt.Errorf("trust store %s: %w", path, err)
	}
	return store, nil
}

// ReadBytes is the content of a store's file, at most MaxBytes of it.
func ReadBytes(path string) ([]byte, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("trust store: %w", err)
	}
	defer func() { _ = file.Close() }()
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, fmt.Errorf("trust store %s: it is no regular file", path)
	}
	data, err := io.ReadAll(io.LimitReader(file, MaxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("trust store: %w", err)
	}
	if len(data) > MaxBytes {
		return nil, fmt.Errorf("trust store %s: larger than %d MiB", path, MaxBytes>>20)
	}
	return data, nil
}

// Parse reads the store in data. Its kind is told by the content.
func Parse(data []byte, o Options) (*Store, error) {
	if len(data) > MaxBytes {
		return nil, fmt.Errorf("larger than %d MiB", MaxBytes>>20)
	}
	switch {
	case bytes.HasPrefix(data, jksMagic()):
		return parseJKS(data, o)
	case isPKCS12(data):
		return parsePKCS12(data, o)
	case bytes.Contains(data, []byte("-----BEGIN CERTIFICATE-----")):
		return parsePEM(data)
	default:
		return nil, errors.New(strange(data))
	}
}

// IsJava says that data is of one of the two kinds that Java writes and this package reads.
func IsJava(data []byte) bool { return bytes.HasPrefix(data, jksMagic()) || isPKCS12(data) }

// strange says of what kind a store is that is not read, and what to do about it.
func strange(data []byte) string {
	const convert = ": convert it with keytool -importkeystore -srckeystore STORE -destkeystore NEW -deststoretype PKCS12"
	switch {
	case len(data) == 0:
		return "it is empty"
	case bytes.HasPrefix(data, []byte{0xCE, 0xCE, 0xCE, 0xCE}):
		return "it is a JCEKS key store, which is not read" + convert + " -srcstoretype JCEKS"
	case bytes.HasPrefix(data, []byte("domain ")):
		return "it is the configuration of a domain key store (DKS), which is not read: name the stores that it names"
	case len(data) > 4 && data[0] == 0x30 && data[1] == 0x82:
		return "it is neither JKS nor PKCS #12: if it is one of Bouncy Castle (BCFKS)" + convert +
			" -srcstoretype BCFKS; if it is a certificate, write it as PEM with openssl x509 -inform DER"
	default:
		return "it is neither JKS nor PKCS #12 nor PEM" + convert
	}
}

// add parses a trusted certificate. One that crypto/x509 refuses is counted: real stores hold a few.
func (s *Store) add(alias string, der []byte, key bool) error {
	if len(s.Entries) >= MaxEntries {
		return fmt.Errorf("more than %d entries", MaxEntries)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		s.Unreadable++
		return nil
	}
	s.Entries = append(s.Entries, Entry{Alias: alias, Certificate: cert, Key: key})
	return nil
}
