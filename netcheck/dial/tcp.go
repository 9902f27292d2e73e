package dial

import (
	"context"
	"net"
	"net/netip"
)

// Options say from where a connection is made. The zero value leaves it to the routing table.
type Options struct {
	Source    netip.Addr // an address of this host; the zero value leaves the choice to the kernel
	Interface string     // the connection leaves by this interface whatever the routes say (SO_BINDTODEVICE); empty: by any
}

// TCP connects to one address. Keep-alives are off, for no probe lives that long, and so is Multipath TCP. The error is a
// *SourceError where this host lacks what the options want or what it needs to send from, an *ICMPError where a message
// ended the connection, and else as net.Dialer gives it.
func TCP(ctx context.Context, address netip.AddrPort, options Options) (net.Conn, error) {
	if err := options.fits(address.Addr()); err != nil {
		return nil, err
	}
	s := socket{Options: options, fd: -1}
	defer s.close()
	dialer := net.Dialer{KeepAlive: -1, Control: s.prepare}
	dialer.SetMultipathTCP(false)
	if options.Source.IsValid() {
		dialer.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(options.Source, 0))
	}
	conn, err := dialer.DialContext(ctx, "tcp", address.String())
	if err != nil {
		return nil, s.explain(err, address.Addr())
	}
	return conn, nil
}
