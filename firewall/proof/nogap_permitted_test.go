package proof

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// gapWithin is how long anything that is permitted may take.
const gapWithin = 5 * time.Second

// gapBuffer is what the host may have unread of them, in bytes: a second and more, for it to be late.
const gapBuffer = 16 << 20

// gapNumbered is an administrator who sends numbered datagrams to a port that is permitted, by the TUN device, and the host
// that checks them off.
type gapNumbered struct {
	tun     *device
	here    *net.UDPConn
	sent    uint64
	missing map[uint64]bool // sent, as far as the host knows, and not come
	next    uint64          // that the host waits for
	checker sync.WaitGroup
}

// newNumbers begins to check.
func (r *gapRig) newNumbers() *gapNumbered {
	r.t.Helper()
	n := &gapNumbered{tun: r.tun, missing: make(map[uint64]bool)}
	var err error
	if n.here, err = net.ListenUDP("udp4", gapUDP(gapHost, gapNumbers)); err != nil {
		r.t.Fatal(err)
	}
	raw, err := n.here.SyscallConn()
	if err != nil {
		r.t.Fatal(err)
	}
	control := raw.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, gapBuffer)
	})
	if err := errors.Join(err, control); err != nil {
		r.t.Fatal(err)
	}
	n.checker.Go(n.check)
	r.t.Cleanup(func() { _ = n.here.Close() })
	return n
}

// send sends the next.
func (n *gapNumbered) send() error {
	packet := udp(gapAddr(gapSender, 40001), gapAddr(gapHost, gapNumbers), strconv.AppendUint(nil, n.sent, 10))
	n.sent++
	return n.tun.write(packet)
}

func (n *gapNumbered) check() {
	for b := make([]byte, 32); ; {
		length, err := n.here.Read(b)
		if err != nil {
			return // closed
		}
		number, err := strconv.ParseUint(string(b[:length]), 10, 64)
		if err != nil {
			return // what is missing then is told
		}
		delete(n.missing, number)
		for ; n.next < number; n.next++ {
			n.missing[n.next] = true
		}
		n.next = max(n.next, number+1)
	}
}

// result ends it, when nobody sends any more, and tells how many were sent and how many of them have not come.
func (n *gapNumbered) result() (sent uint64, lost int) {
	_ = n.here.SetReadDeadline(time.Now().Add(gapWithin / 10)) // for the last to come
	n.checker.Wait()
	_ = n.here.Close()
	return n.sent, len(n.missing) + int(n.sent-n.next)
}

// gapSession is an administrator with a connection to the host, who types and sees what is typed.
type gapSession struct {
	conn, here net.Conn
	stop       chan struct{}
	echoes     int
	broken     error
	both       sync.WaitGroup
}

func (r *gapRig) newSession() *gapSession {
	r.t.Helper()
	listener, err := net.ListenTCP("tcp4", gapTCP(gapHost, 22))
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	s := &gapSession{stop: make(chan struct{})}
	r.beside(func() { s.conn, err = net.DialTCP("tcp4", gapTCP(gapAdmin, 0), gapTCP(gapHost, 22)) })
	if err != nil {
		r.t.Fatal(err)
	}
	if err := listener.SetDeadline(time.Now().Add(gapWithin)); err != nil {
		r.t.Fatal(err)
	}
	if s.here, err = listener.Accept(); err != nil {
		r.t.Fatal(err)
	}
	s.both.Go(func() { _, _ = io.Copy(s.here, s.here) })
	s.both.Go(s.typing)
	r.t.Cleanup(func() { _, _ = s.result() })
	return s
}

func (s *gapSession) typing() {
	defer func() { _ = s.conn.Close() }()
	each := time.NewTicker(time.Millisecond / 5) // leaves the processors to the flood
	defer each.Stop()
	word, back := []byte("uptime\n"), make([]byte, 7)
	for {
		select {
		case <-s.stop:
			return
		case <-each.C:
		}
		err := s.conn.SetDeadline(time.Now().Add(gapWithin))
		if err == nil {
			_, err = s.conn.Write(word)
		}
		if err == nil {
			_, err = io.ReadFull(s.conn, back)
		}
		if err == nil && !bytes.Equal(word, back) {
			err = errors.New("another answer came than what was typed")
		}
		if err != nil {
			s.broken = err
			return
		}
		s.echoes++
	}
}

// result ends the session and tells how often what was typed came back, and what ended it before.
func (s *gapSession) result() (echoes int, broken error) {
	select {
	case <-s.stop:
	default:
		close(s.stop)
	}
	s.both.Wait()
	_ = s.here.Close()
	return s.echoes, s.broken
}
