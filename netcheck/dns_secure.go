package netcheck

import (
	"context"
	"crypto/tls"
	"errors"
	"net"

	"sallyport/netcheck/resolver"
	"sallyport/tlsprobe"
)

// SecureDNS is how a name server that is asked by TLS or HTTPS is shaken hands with: it must prove by an authority among
// the roots who it is, like any TLS server that is checked.
func SecureDNS(roots *tlsprobe.Roots) resolver.Secure {
	return func(ctx context.Context, conn net.Conn, serverName string, protocols []string) (*tls.Conn, error) {
		_, secured, err := tlsprobe.Handshake(ctx, conn, tlsprobe.Options{
			ServerName: serverName, Roots: roots, ALPN: protocols,
		})
		return secured, err
	}
}

// judgeSecured gives a server that could not be shaken hands with the cause that any TLS server would have.
func judgeSecured(e *resolver.Error) {
	if e == nil {
		return
	}
	if failed, ok := errors.AsType[*resolver.SecureError](e.Err); ok {
		cause, detail := Classify(failed.Err)
		e.Cause, e.Detail = cause, detail
	}
}
