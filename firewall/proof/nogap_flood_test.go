package proof

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
)

// gapShare is after how many rounds of the flood a permitted datagram goes by the same way: some thousand a second.
const gapShare = 5

// gapFlood is a stranger who sends UDP, TCP and UDP over IPv6 to a port on which the host listens for all of them, as fast
// as it goes, and what of it gets in. It comes by a TUN device: what is written there has been judged when write returns,
// and no queue on the way can lose it.
type gapFlood struct {
	rig      *gapRig
	sent     tally // when it has ended
	accepted struct{ udp4, udp6, tcp4 atomic.Int64 }
	also     func() error // sends what is permitted, each gapShare rounds
	err      error
	stop     chan struct{}
	sender   sync.WaitGroup
	readers  sync.WaitGroup
	here     []io.Closer
}

// newFlood makes one ready.
func (r *gapRig) newFlood() *gapFlood {
	r.t.Helper()
	f := &gapFlood{rig: r, stop: make(chan struct{})}
	r.t.Cleanup(func() { _, _ = f.result() })
	listener, err := net.Listen("tcp4", gapAddr(gapHost, gapBlocked).String())
	if err != nil {
		r.t.Fatal(err)
	}
	f.here = append(f.here, listener)
	// The TCP that comes past all rules, whether or not it finds the listener ready; from the stranger only.
	f.read(&f.accepted.tcp4)(net.DialIP("ip4:tcp", gapIP(gapHost), gapIP(gapStranger)))
	f.read(&f.accepted.udp4)(net.ListenUDP("udp4", gapUDP(gapHost, gapBlocked)))
	f.read(&f.accepted.udp6)(net.ListenUDP("udp6", gapUDP(gapHost6, gapBlocked)))
	return f
}

func (f *gapFlood) begin() { f.sender.Go(f.send) }

// read counts what comes by a connection.
func (f *gapFlood) read(count *atomic.Int64) func(net.Conn, error) {
	return func(conn net.Conn, err error) {
		f.rig.t.Helper()
		if err != nil {
			f.rig.t.Fatal(err)
		}
		f.here = append(f.here, conn)
		f.readers.Go(func() {
			for b := make([]byte, 256); ; count.Add(1) {
				if _, err := conn.Read(b); err != nil {
					return // closed
				}
			}
		})
	}
}

// send sends a packet of each kind in turn, until the flood is stopped.
func (f *gapFlood) send() {
	from, to := gapAddr(gapStranger, 40000), gapAddr(gapHost, gapBlocked)
	kinds := []struct {
		packet []byte
		count  *int64
	}{
		{udp(from, to, []byte("knock")), &f.sent.udp4},
		{udp(gapAddr(gapStranger6, 40000), gapAddr(gapHost6, gapBlocked), []byte("knock")), &f.sent.udp6},
		{segment{from: from, to: to, flags: flagSYN, seq: 1}.packet(), &f.sent.tcp4},
	}
	for round := 0; ; round++ {
		for _, kind := range kinds {
			select {
			case <-f.stop:
				return
			default:
			}
			if f.err = f.rig.tun.write(kind.packet); f.err != nil {
				return
			}
			*kind.count++
		}
		if f.also == nil || round%gapShare != 0 {
			continue
		}
		if f.err = f.also(); f.err != nil {
			return
		}
	}
}

// acceptedNow is how many have got in until now.
func (f *gapFlood) acceptedNow() int64 {
	return f.accepted.udp4.Load() + f.accepted.udp6.Load() + f.accepted.tcp4.Load()
}

// result ends the flood and tells what came of it.
func (f *gapFlood) result() (sent, accepted tally) {
	select {
	case <-f.stop:
	default:
		close(f.stop)
	}
	f.sender.Wait()
	if f.err != nil {
		f.rig.t.Error(f.err)
	}
	for _, c := range f.here {
		_ = c.Close()
	}
	f.readers.Wait()
	return f.sent, tally{f.accepted.udp4.Load(), f.accepted.udp6.Load(), f.accepted.tcp4.Load()}
}
