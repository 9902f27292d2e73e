package resolver

import (
	"context"
	"crypto/tls"
	"net"
	"net/netip"
	"net/url"
)

// Transport is how questions are brought to a server.
type Transport uint8

// The transports. The zero value is that of every stub resolver.
const (
	UDP   Transport = iota // by UDP, and by TCP where the answer is truncated (RFC 7766 section 5)
	TCP                    // by TCP alone
	TLS                    // DNS over TLS (RFC 7858)
	HTTPS                  // DNS over HTTPS (RFC 8484)
)

// The ports at which servers listen where nothing else is said.
const (
	Port      = 53
	TLSPort   = 853 // RFC 7858 section 3.1
	HTTPSPort = 443
)

// String is the transport as the evidence names it.
func (t Transport) String() string {
	switch t {
	case UDP:
		return "udp"
	case TCP:
		return "tcp"
	case TLS:
		return "tls"
	case HTTPS:
		return "https"
	default:
		return "unknown"
	}
}

// Secure shakes hands over conn with a server that must prove to be serverName, a DNS name or an address, and offers the
// application protocols. It closes conn where it fails, and ends with ctx. Its errors are passed on as they are.
type Secure func(ctx context.Context, conn net.Conn, serverName string, protocols []string) (*tls.Conn, error)

// Server is a name server, and how it is asked.
type Server struct {
	Transport Transport
	Address   netip.AddrPort // where it listens; for HTTPS it may be left out, and URL leads there
	Host      string         // TLS and HTTPS: whom the certificate must name; empty: the address, or the host of URL
	URL       string         // HTTPS: where questions are posted, as https://10.0.0.53/dns-query
	Secure    Secure         // TLS and HTTPS
}

// At is the server that listens at an address for UDP, and for TCP where an answer is too long.
func At(address netip.AddrPort) Server { return Server{Address: address} }

// String is the server as a person reads it: an address with a port, with its transport before it where that is not the
// usual one; or an URL.
func (s Server) String() string {
	switch s.Transport {
	case UDP:
		return s.Address.String()
	case HTTPS:
		return s.URL
	default:
		return s.Transport.String() + "://" + s.Address.String()
	}
}

// serverName is whom the certificate must name.
func (s Server) serverName() string {
	if s.Host != "" {
		return s.Host
	}
	if link, err := url.Parse(s.URL); err == nil && link.Hostname() != "" {
		return link.Hostname()
	}
	return s.Address.Addr().WithZone("").String()
}
