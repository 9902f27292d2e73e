// Package dnsrig sets up name servers for tests: real ones, and one that says what no real one does.
package dnsrig

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"
)

// NeedProgram skips the test when a program is not installed, or fails it when the full test run is asked for.
func NeedProgram(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		Cannot(t, fmt.Sprintf("%s is not installed", name))
	}
	return path
}

// Cannot skips the test for want of something, or fails it when the full test run is asked for.
func Cannot(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("SALLYPORT_TEST_FULL") == "1" {
		t.Fatal(why + ": mend that, or run the tests without SALLYPORT_TEST_FULL=1")
	}
	t.Skip(why)
}

// Eventually waits until the condition holds.
func Eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		if time.Now().After(deadline) {
			t.Fatalf("not within 10 s: %s", what)
		}
		<-tick.C
	}
}

// given are the ports that FreePort has given: each is given once.
var given sync.Map //nolint:gochecknoglobals // ports are the process's, so is what is known of them

// FreePort is a port of 127.0.0.1 that nobody has for UDP nor TCP at this moment. It is below those that the kernel gives
// by itself (ip_local_port_range), so that no connection takes it before the server does that it is meant for.
func FreePort(t *testing.T) netip.AddrPort {
	t.Helper()
	for range 1000 {
		port := 10_000 + rand.IntN(22_000) //nolint:gosec // any port does, nobody need not guess it
		if _, taken := given.LoadOrStore(port, true); taken {
			continue
		}
		l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", local(port).String())
		if err != nil {
			continue
		}
		u, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(local(port)))
		_ = l.Close()
		if err != nil {
			continue
		}
		_ = u.Close()
		if mine(t, port) {
			return local(port)
		}
	}
	t.Fatal("no free port")
	return netip.AddrPort{}
}

// mine says that no test of another process, which runs at the same time, was given that port: each holds a name of the
// kernel's (unix(7), abstract addresses) for as long as its test runs.
func mine(t *testing.T, port int) bool {
	t.Helper()
	held, err := new(net.ListenConfig).Listen(t.Context(), "unix", fmt.Sprintf("@sallyport-test-port-%d", port))
	if err != nil {
		return false
	}
	t.Cleanup(func() { _ = held.Close() })
	return true
}

func local(port int) netip.AddrPort {
	return netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(port))
}
