package lab

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// Kind says which servers a lab runs.
type Kind string

const (
	Embedded Kind = "embedded" // goroutines of this process; needs no package
	Real     Kind = "real"     // unbound, nginx and slapd
)

// Server answers in one node of the lab.
type Server interface {
	Program() string                 // what it is, for people: nginx, or "embedded"
	Start(ctx context.Context) error // returns when it answers
	Stop() error                     // returns when its port is closed; stopping what is stopped is no error
}

// Resolver is a DNS server whose answers can be changed while it runs.
type Resolver interface {
	Server
	// Answer changes what the server says of one name. A real server is restarted for it.
	Answer(ctx context.Context, name string, answer Answer) error
}

// TLSServer is a server whose certificate can be changed while it runs.
type TLSServer interface {
	Server
	// Present changes the certificate. New connections get it; a real server is restarted for it.
	Present(ctx context.Context, certificate Certificate) error
}

// WebServer is a TLS server whose clock can be set wrong.
type WebServer interface {
	TLSServer
	// Ahead sets the server's clock so far ahead of the machine's. A real server is restarted for it; the error is
	// ErrNoClock where its clock cannot be set.
	Ahead(ctx context.Context, by time.Duration) error
}

// ErrNoClock says that a program's clock cannot be set here.
var ErrNoClock = errors.New("there is no libfaketime (Debian's package faketime)")

// Answer is what a resolver says of a name.
type Answer struct {
	Addresses []netip.Addr // A and AAAA records
	Fault     DNSFault
}

// DNSFault is a way for a resolver to fail. The zero value is none.
type DNSFault string

const (
	NXDomain DNSFault = "nxdomain" // there is no such name
	NoData   DNSFault = "nodata"   // the name has no records of the type
	ServFail DNSFault = "servfail" // the resolver could not find out
	Refused  DNSFault = "refused"  // the resolver does not want to say
	Silence  DNSFault = "silence"  // no answer at all
)

// presents waits until the node's TLS server on the port presents the certificate's leaf.
func presents(ctx context.Context, n *Node, port uint16, certificate Certificate) error {
	pair, err := certificate.Pair()
	if err != nil {
		return err
	}
	want := pair.Leaf
	return Until(ctx, fmt.Sprintf("TLS server of %s on port %d", n.Name, port), func() error {
		conn, err := n.Dial(ctx, "tcp", n.Address("ip4", port))
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close() }()
		// Nothing is sent or believed over this connection: which certificate is there is all that is asked.
		client := tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
		if err := client.HandshakeContext(ctx); err != nil {
			return err
		}
		if !client.ConnectionState().PeerCertificates[0].Equal(want) {
			return fmt.Errorf("another certificate than the %q one for %s", certificate.Flaw, certificate.Host)
		}
		return nil
	})
}
