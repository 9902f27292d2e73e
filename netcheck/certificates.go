package netcheck

import (
	"context"
	"crypto/x509"
	"errors"
	"sync"

	"sallyport/tlsprobe"
)

// maxDescribed bounds how many certificates a check keeps the description of.
const maxDescribed = 64

// certificates is what a check remembers of the certificates that it was shown, from run to run. The nil one remembers
// nothing.
type certificates struct {
	changes changes

	mu        sync.Mutex
	described map[*x509.Certificate]Cert // crypto/tls gives the same bytes the same value for as long as it is held
}

// describe is the certificate as evidence shows it. It is made once for each certificate: that costs more than the rest
// of the evidence.
func (c *certificates) describe(cert *x509.Certificate) Cert {
	if c == nil {
		return describeCert(cert)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if known, ok := c.described[cert]; ok {
		return known
	}
	if c.described == nil || len(c.described) >= maxDescribed {
		c.described = map[*x509.Certificate]Cert{}
	}
	c.described[cert] = describeCert(cert)
	return c.described[cert]
}

// completed is the error of a handshake, with the verdict of the chain that is had when what the server left out is
// fetched. It is refused all the same.
func (a *attempt) completed(ctx context.Context, options tlsprobe.Options, err error) error {
	bad, ok := errors.AsType[*tlsprobe.CertificateError](err)
	if !ok || a.fetch == nil {
		return err
	}
	bad.Verdict = a.facts.Complete(ctx, options, a.fetch)
	a.facts.Verdict = bad.Verdict
	return err
}
