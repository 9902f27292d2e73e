package lab

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// embeddedCloud is an HTTPS server of this process.
type embeddedCloud struct {
	node        *Node
	certificate atomic.Pointer[tls.Certificate]
	ahead       atomic.Int64 // nanoseconds

	server *http.Server
	ended  sync.WaitGroup
}

func newEmbeddedCloud(n *Node) *embeddedCloud { return &embeddedCloud{node: n} }

func (c *embeddedCloud) Program() string { return "embedded" }

func (c *embeddedCloud) Start(ctx context.Context) error {
	listener, err := c.node.Listen(ctx, 443)
	if err != nil {
		return fmt.Errorf("cloud: %w", err)
	}
	c.server = &http.Server{
		Handler:   http.HandlerFunc(c.welcome),
		TLSConfig: presenting(&c.certificate),
		ErrorLog:  log.New(io.Discard, "", 0), // clients that hang up are the point of the lab
	}
	c.ended.Go(func() { _ = c.server.ServeTLS(listener, "", "") }) // it ends by Close
	return nil
}

func (c *embeddedCloud) Stop() error {
	if c.server == nil {
		return nil
	}
	err := c.server.Close()
	c.ended.Wait()
	c.server = nil
	return err
}

func (c *embeddedCloud) Present(_ context.Context, certificate Certificate) error {
	return swap(&c.certificate, certificate)
}

// Ahead has the server tell a time (RFC 9110 section 6.6.1) that is not ours.
func (c *embeddedCloud) Ahead(_ context.Context, by time.Duration) error {
	c.ahead.Store(int64(by))
	return nil
}

func (c *embeddedCloud) welcome(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Date", time.Now().Add(time.Duration(c.ahead.Load())).UTC().Format(http.TimeFormat))
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, "{\"status\":\"ok\"}\n") // a client that is gone misses it
}

// presenting is a configuration that presents whatever certificate is in place at the time. Without session tickets each
// connection is a full handshake and shows it.
func presenting(certificate *atomic.Pointer[tls.Certificate]) *tls.Config {
	return &tls.Config{
		SessionTicketsDisabled: true,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			if c := certificate.Load(); c != nil {
				return c, nil
			}
			return nil, errors.New("no certificate yet")
		},
	}
}

func swap(place *atomic.Pointer[tls.Certificate], certificate Certificate) error {
	pair, err := certificate.Pair()
	if err != nil {
		return fmt.Errorf("certificate of %s: %w", certificate.Host, err)
	}
	place.Store(&pair)
	return nil
}

// Impostor starts a server on the stranger's machine that claims to be the cloud, with a certificate from an authority
// that nobody trusts: what a poisoned name leads to.
func (l *Lab) Impostor(ctx context.Context) (TLSServer, error) {
	impostor := newEmbeddedCloud(l.Stranger)
	return impostor, errors.Join(l.Flaw(ctx, impostor, CloudName, OtherAuthority), impostor.Start(ctx))
}
