package netcheck

import (
	"net"
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
}

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
