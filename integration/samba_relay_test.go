package integration_test

import (
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// relay passes connections on to a server, and what the server says back, until it is to be silent.
type relay struct {
	port   int
	open   atomic.Bool // it is never silent any more
	silent func() bool
	group  sync.WaitGroup
}

// newRelay relays until the test ends.
func newRelay(t *testing.T, server string, silent func() bool) *relay {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{port: listener.Addr().(*net.TCPAddr).Port, silent: silent}
	r.group.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			upstream, err := net.DialTimeout("tcp", server, 5*time.Second)
			if err != nil {
				_ = client.Close()
				return
			}
			r.group.Go(func() { r.pass(client, upstream, func() bool { return false }) })
			r.group.Go(func() { r.pass(upstream, client, func() bool { return !r.open.Load() && r.silent() }) })
		}
	})
	t.Cleanup(func() { _ = listener.Close(); r.group.Wait() })
	return r
}

// pass copies one direction until its end, but for what is said while it is withheld; then both ends are closed.
func (r *relay) pass(from, to net.Conn, withheld func() bool) {
	defer func() { _, _ = from.Close(), to.Close() }()
	chunk := make([]byte, 4096)
	for {
		n, err := from.Read(chunk)
		if n > 0 && !withheld() {
			if _, err := to.Write(chunk[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
