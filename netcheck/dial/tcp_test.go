package dial

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"
)

// listening is a server that accepts on loopback, and the addresses of those whom it accepted.
func listening(t *testing.T) (netip.AddrPort, <-chan netip.AddrPort) {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	peers := make(chan netip.AddrPort, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			peers <- conn.RemoteAddr().(*net.TCPAddr).AddrPort()
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return l.Addr().(*net.TCPAddr).AddrPort(), peers
}

// TestTCPFrom connects from where the options say.
func TestTCPFrom(t *testing.T) {
	t.Parallel()
	address, peers := listening(t)
	for _, options := range []Options{
		{}, {Source: netip.MustParseAddr("127.0.0.9")}, {Interface: "lo"},
		{Source: netip.MustParseAddr("127.0.0.10"), Interface: "lo"},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		conn, err := TCP(ctx, address, options)
		cancel()
		if err != nil {
			t.Errorf("%+v: %v", options, err)
			continue
		}
		want := options.Source
		if !want.IsValid() {
			want = netip.MustParseAddr("127.0.0.1")
		}
		if got := (<-peers).Addr(); got != want {
			t.Errorf("%+v: the server saw %s, want %s", options, got, want)
		}
		_ = conn.Close()
	}
}

// TestTCPLacks holds what an error says that is about this host, and that each wraps the system's.
func TestTCPLacks(t *testing.T) {
	t.Parallel()
	target := netip.MustParseAddrPort("127.0.0.1:9")
	tests := []struct {
		options Options
		lack    Lack
		err     error
		words   string
	}{
		{Options{Source: netip.MustParseAddr("203.0.113.5")}, NoSource, syscall.EADDRNOTAVAIL,
			"the source address 203.0.113.5 is not an address of this host"},
		{Options{Source: netip.MustParseAddr("::1")}, OtherFamily, nil,
			"the source address ::1 is none to reach that address from: it is an IPv6 one"},
		{Options{Interface: "none\n0"}, NoInterface, syscall.ENODEV, `this host has no interface "none\n0"`},
	}
	for _, test := range tests {
		conn, err := TCP(t.Context(), target, test.options)
		lacking, ok := errors.AsType[*SourceError](err)
		if !ok || conn != nil || lacking.Lack != test.lack || lacking.Error() != test.words ||
			test.err != nil && !errors.Is(err, test.err) {
			t.Errorf("%+v: %v, want %s", test.options, err, test.words)
		}
	}
}

// TestOwnMessage tells this host's own addresses from others, with netlink and without.
func TestOwnMessage(t *testing.T) {
	t.Parallel()
	for from, own := range map[string]bool{
		"127.0.0.1": true, "127.0.0.7": true, "203.0.113.5": false, "2001:db8::5": false,
	} {
		e := &ICMPError{From: netip.MustParseAddr(from), Target: netip.MustParseAddr("192.0.2.9")}
		if got := bindable(e.From); got != own {
			t.Errorf("%s: bindable is %v", from, got)
		}
		if listed := own && from != "127.0.0.7"; e.Own() != listed {
			t.Errorf("%s: own is %v", from, e.Own())
		}
		e.Target = e.From
		if e.Own() {
			t.Errorf("%s: a message from the target itself is its own", from)
		}
	}
}
