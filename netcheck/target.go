package netcheck

import (
	"context"
	"net"
	"net/netip"
	"strconv"
	"time"

	"sallyport/tlsprobe"
)

// TLSTarget is a TLS server to check.
type TLSTarget struct {
	Host       string          // a name, or an IP address
	Port       uint16          //
	ServerName string          // whom the server must prove to be, also sent as SNI; Host when empty
	Roots      *tlsprobe.Roots // the trusted authorities; nil trusts none
	Warn, Fail time.Duration   // how long before a certificate's end the check warns, fails; zero never does

	Reaching Reaching // told where the name leads before it is connected to; nil: nobody
}

// Reaching is told to which addresses of a host connections will be made, so that who lets packets out knows them, and
// returns why some of them are not let out. It must be bounded in time, and safe for concurrent use.
type Reaching func(ctx context.Context, host string, addresses []netip.Addr) map[netip.Addr]string

// String is the target as an operator writes it: host:port.
func (t TLSTarget) String() string {
	return net.JoinHostPort(t.Host, strconv.Itoa(int(t.Port)))
}

func (t TLSTarget) serverName() string {
	if t.ServerName != "" {
		return t.ServerName
	}
	return t.Host
}
