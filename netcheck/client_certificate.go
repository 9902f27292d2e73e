package netcheck

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"
)

// maxPair is how many octets a file with a client certificate or its key may hold.
const maxPair = 64 << 10

// ClientCertificate is where this host's own certificate and its key stand. The files are PEM, are read at each run, and
// may be one and the same. The zero value is none.
type ClientCertificate struct {
	CertificateFile string // the chain, the host's own certificate first
	KeyFile         string // not encrypted
}

// ownCertificateError is a client certificate that cannot be used: nobody out there is to blame.
type ownCertificateError struct{ err error }

func (e *ownCertificateError) Error() string {
	return "the client certificate cannot be used: " + cleanText(e.err.Error(), maxDetail)
}
func (e *ownCertificateError) Unwrap() error { return e.err }

// load reads the pair. The error is an *ownCertificateError, which names the file and the mend.
func (c ClientCertificate) load() (*tls.Certificate, error) {
	pair, err := c.read()
	if err != nil {
		return nil, &ownCertificateError{err}
	}
	return pair, nil
}

func (c ClientCertificate) read() (*tls.Certificate, error) {
	chain, err := readPEM(c.CertificateFile)
	if err != nil {
		return nil, err
	}
	key, err := readPEM(c.KeyFile)
	if err != nil {
		return nil, err
	}
	if encrypted(key) {
		return nil, fmt.Errorf("the key in %s is encrypted: write it without a passphrase (openssl pkey)", c.KeyFile)
	}
	pair, err := tls.X509KeyPair(chain, key)
	if err != nil {
		return nil, fmt.Errorf("%s and its key in %s: %w: give the two PEM files of one certificate", c.CertificateFile,
			c.KeyFile, err)
	}
	return &pair, nil
}

// readPEM is the content of a regular file.
func readPEM(path string) ([]byte, error) {
	// A FIFO without a writer must not hold up the run.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file", path)
	}
	raw, err := io.ReadAll(io.LimitReader(f, maxPair+1))
	switch {
	case err != nil:
		return nil, err
	case len(raw) > maxPair:
		return nil, fmt.Errorf("%s is larger than %d octets", path, maxPair)
	case len(raw) == 0:
		return nil, errors.New(path + " is empty")
	}
	return raw, nil
}

// encrypted says whether a key needs a passphrase, in the form of PKCS #8 (RFC 5958 section 3) or the older one of
// OpenSSL (RFC 1421 section 4.6.1.1).
func encrypted(key []byte) bool {
	for block, rest := pem.Decode(key); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["Proc-Type"] == "4,ENCRYPTED" {
			return true
		}
	}
	return false
}

// ownProblem says what is wrong with the dates of this host's own certificate, or will be within soon; empty for nothing.
func ownProblem(leaf *x509.Certificate, now time.Time, soon time.Duration) string {
	const form = "2006-01-02 15:04 UTC"
	switch {
	case now.After(leaf.NotAfter):
		return "this host's own client certificate expired on " + leaf.NotAfter.UTC().Format(form)
	case now.Before(leaf.NotBefore):
		return "this host's own client certificate is not valid before " + leaf.NotBefore.UTC().Format(form)
	case leaf.NotAfter.Sub(now) < soon:
		return "this host's own client certificate expires on " + leaf.NotAfter.UTC().Format(form)
	default:
		return ""
	}
}
