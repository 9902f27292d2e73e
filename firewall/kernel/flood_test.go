package kernel

import (
	"net"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// floodPort is one that no policy of the tests lets in.
const floodPort = 9999

// flood sends packets from a stranger to a blocked port as fast as it can, and counts those that get in.
type flood struct {
	sent, accepted atomic.Int64
	stop           chan struct{}
	ended          sync.WaitGroup
}

// newFlood begins one, from the neighbour to a socket in the test's namespace.
func newFlood(t *testing.T, from *neighbour) *flood {
	t.Helper()
	f := &flood{stop: make(chan struct{})}
	here, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(hostV4), floodPort)))
	if err != nil {
		t.Fatal(err)
	}
	fd := -1
	from.run(func() { fd, err = stranger() })
	if err != nil {
		t.Fatal(err)
	}
	var reader sync.WaitGroup
	reader.Go(func() {
		for b := make([]byte, 64); ; f.accepted.Add(1) {
			if _, _, err := here.ReadFromUDP(b); err != nil {
				return // closed
			}
		}
	})
	f.ended.Go(func() { f.send(fd) })
	t.Cleanup(func() {
		f.end()
		_ = unix.Close(fd)
		_ = here.Close()
		reader.Wait()
	})
	return f
}

// stranger is a socket in the namespace of the calling thread that sends to the blocked port.
func stranger() (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: netip.MustParseAddr(strangerV4).As4()}); err != nil {
		return -1, err
	}
	return fd, unix.Connect(fd, &unix.SockaddrInet4{Addr: netip.MustParseAddr(hostV4).As4(), Port: floodPort})
}

func (f *flood) send(fd int) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	payload := []byte("x")
	for {
		select {
		case <-f.stop:
			return
		default:
		}
		for range 64 {
			if _, err := unix.Write(fd, payload); err == nil { // it fails while the neighbour is not found yet
				f.sent.Add(1)
			}
		}
	}
}

func (f *flood) end() {
	select {
	case <-f.stop:
	default:
		close(f.stop)
	}
	f.ended.Wait()
}

// untilSent repeats what happens under the flood until so many packets were sent, for at most 20 seconds.
func (f *flood) untilSent(t *testing.T, packets int64, happens func()) (rounds int) {
	t.Helper()
	until := time.Now().Add(20 * time.Second)
	for ; f.sent.Load() < packets || rounds < 10; rounds++ {
		if time.Now().After(until) {
			t.Fatalf("%d packets sent in 20 s, want %d", f.sent.Load(), packets)
		}
		happens()
	}
	return rounds
}

// result ends the flood and tells what came of it, once the last packet has been judged.
func (f *flood) result(t *testing.T) (sent, accepted int64) {
	t.Helper()
	f.end()
	sent, accepted = f.sent.Load(), f.accepted.Load()
	t.Logf("%d packets sent, %d accepted", sent, accepted)
	return sent, accepted
}
