package proof

import (
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

const (
	gapHost, gapHost6         = "10.88.0.1", "fd88::1"
	gapAdmin                  = "10.88.0.9" // of the neighbour
	gapSender                 = "10.89.0.9" // another of the administrators, by the TUN device
	gapStranger, gapStranger6 = "10.89.0.66", "fd89::66"

	gapBlocked = 9999 // something listens there, over TCP and UDP, and no policy names it
	gapNumbers = 161  // every policy lets the administrator's datagrams in there
)

// gapRig is a host, in the network namespace of the test's thread, with a TUN device, and a neighbour in another namespace
// by a pair of veth devices.
type gapRig struct {
	t   *testing.T
	do  chan func() // on the neighbour's thread
	tun *device
}

func newGapRig(t *testing.T) *gapRig {
	t.Helper()
	newNamespace(t)
	r := &gapRig{t: t, do: make(chan func())}
	thread, ended := make(chan int), make(chan struct{})
	go func() {
		defer close(ended)
		runtime.LockOSThread() // never unlocked either
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			t.Error(err)
		}
		thread <- unix.Gettid()
		for f := range r.do {
			f()
		}
	}()
	tid := <-thread
	t.Cleanup(func() { close(r.do); <-ended })
	r.ip("link add h0 type veth peer name p0", "link set p0 netns "+strconv.Itoa(tid),
		"addr add "+gapHost+"/24 dev h0", "addr add "+gapHost6+"/64 dev h0 nodad", "link set h0 up")
	r.beside(func() { r.ip("addr add "+gapAdmin+"/24 dev p0", "link set p0 up") })
	var err error
	if r.tun, err = openDevice("flood0", unix.IFF_TUN, true); err != nil {
		unprepared(t, "%v", err)
	}
	t.Cleanup(func() { _ = r.tun.close() })
	r.ip("link set flood0 up", "route add 10.89.0.0/24 dev flood0", "route add fd89::/64 dev flood0")
	return r
}

// beside runs f in the neighbour's namespace.
func (r *gapRig) beside(f func()) {
	done := make(chan struct{})
	r.do <- func() { defer close(done); f() }
	<-done
}

func (r *gapRig) ip(commands ...string) {
	r.t.Helper()
	for _, c := range commands {
		if out, err := exec.CommandContext(r.t.Context(), "ip", strings.Fields(c)...).CombinedOutput(); err != nil {
			r.t.Errorf("ip %s: %v: %s", c, err, out)
		}
	}
}

// nft loads a script on the host.
func (r *gapRig) nft(script string) {
	r.t.Helper()
	cmd := exec.CommandContext(r.t.Context(), "nft", "-f", "-")
	cmd.Stdin = strings.NewReader(script)
	if out, err := cmd.CombinedOutput(); err != nil {
		r.t.Fatalf("nft: %v: %s", err, out)
	}
}

// tally is packets by their kind.
type tally struct{ udp4, udp6, tcp4 int64 }

func (n tally) total() int64 { return n.udp4 + n.udp6 + n.tcp4 }

func (n tally) String() string {
	return fmt.Sprintf("%d UDP, %d UDP over IPv6, %d TCP", n.udp4, n.udp6, n.tcp4)
}

func gapAddr(text string, port uint16) netip.AddrPort {
	return netip.AddrPortFrom(netip.MustParseAddr(text), port)
}

// gapTCP and gapUDP are an address as package net has it.
func gapTCP(text string, port uint16) *net.TCPAddr {
	return net.TCPAddrFromAddrPort(gapAddr(text, port))
}
func gapUDP(text string, port uint16) *net.UDPAddr {
	return net.UDPAddrFromAddrPort(gapAddr(text, port))
}
func gapIP(text string) *net.IPAddr { return &net.IPAddr{IP: net.ParseIP(text)} }
