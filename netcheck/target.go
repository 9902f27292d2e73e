package netcheck

import (
	"context"
	"net"
	"net/netip"
	"strconv"
	"time"

	"sallyport/netcheck/dial"
	"sallyport/netcheck/resolver"
	"sallyport/tlsprobe"
	"sallyport/tlsprobe/jvm"
)

// Server is a server that speaks TLS: how it is reached, and how it is judged. Checks of every kind that speak TLS
// have one.
type Server struct {
	Host       string          // a name, or an IP address
	Port       uint16          //
	ServerName string          // whom the server must prove to be, also sent as SNI; Host when empty
	Roots      *tlsprobe.Roots // the trusted authorities; nil trusts none
	Warn, Fail time.Duration   // how long before a certificate's end the check warns, fails; zero never does

	Revocation Revocation // whether authorities are asked if they revoked its certificates; the zero value asks nobody

	Pins        []tlsprobe.Pin       // keys of which one must be in the verified chain; none expects nothing
	Issuers     []string             // CN or O, in any case, of which an authority of the chain must have one; none: any
	FetchIssuer tlsprobe.FetchIssuer // gets what the server left out, so that it can be named; nil: it is not fetched

	Check string // the name of the check, under which Seen keeps its certificates
	Seen  Seen   // keeps over a restart which certificates were seen; nil forgets with the process

	Java *jvm.Watch // the Java of the service, by whose trust the chain is judged too; nil: by none

	Source    netip.Addr // an address of this host to connect from; the zero value leaves it to the routes
	Interface string     // the interface to connect by, whatever the routes say; empty leaves it to them
	Proxy     *Proxy     // through which every connection is made; nil: none
	Agent     string     // how a check calls itself in HTTP; sallyport when empty

	// Like is asked at each run for the client to shake hands like; nil, or one that returns nil, is Go's own. It must be
	// safe for concurrent use.
	Like func() *tlsprobe.Like
	// ALPN are the application protocols to offer; none when empty.
	ALPN []string
	// ClientCertificate is shown to a server that asks for one.
	ClientCertificate ClientCertificate

	https  bool        // it is taken for a server of HTTPS, for which Java has proxies
	ldaps  bool        // it is a directory, and TLS begins with the connection
	domain string      // whose servers DNS names; one that it named is announced by that; empty: none
	before []step      // taken on each connection before TLS begins
	clock  clockReader // asks what time the server has; nil: it has no way to tell

	shown *certificates // of what the check was shown before; nil remembers nothing

	blocks *blocks // of what is known of who blocks it here; nil: nobody is asked

	Reaching Reaching // told where the name leads before it is connected to; nil: nobody
	Blocked  Blocked  // asked who on this host ends a connection that fails; nil: nobody
}

// TLSTarget is a TLS server to check.
type TLSTarget struct {
	Server
	HTTP *HTTPRequest // sent by HTTP/1.1 over each verified connection, and h2 not offered then; nil: nothing is
}

// Reaching is told to which addresses of a host connections will be made, so that who lets packets out knows them, and
// returns why some of them are not let out. It must be bounded in time, and safe for concurrent use.
type Reaching func(ctx context.Context, host string, addresses []netip.Addr) map[netip.Addr]string

// String is the target as an operator writes it: host:port.
func (t Server) String() string {
	return net.JoinHostPort(t.Host, strconv.Itoa(int(t.Port)))
}

// from is where this host connects from.
func (t Server) from() dial.Options { return dial.Options{Source: t.Source, Interface: t.Interface} }

// remembering is the server with a memory of the certificates that it shows, and of who blocks it here.
func (t Server) remembering() Server {
	t.shown = &certificates{changes: changes{name: t.Check, kept: t.Seen}}
	t.blocks = newBlocks(t.Blocked)
	return t
}

// expected is what is known of the server's certificates beforehand.
func (t Server) expected() tlsprobe.Expected {
	name := t.serverName()
	return tlsprobe.Expected{
		Pins: t.Pins, Issuers: t.Issuers, Public: !isAddress(name) && resolver.IsPublicName(name),
	}
}

// door is the host and the port that connections are made to.
func (t Server) door() (host string, port uint16) {
	if t.Proxy != nil {
		return t.Proxy.Host, t.Proxy.Port
	}
	return t.Host, t.Port
}

func (t Server) serverName() string {
	if t.ServerName != "" {
		return t.ServerName
	}
	return t.Host
}
