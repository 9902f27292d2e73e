package directory

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"testing"
	"testing/synctest"

	ber "github.com/go-asn1-ber/asn1-ber"
)

// element is a BER element of the contents.
func element(tag byte, contents ...[]byte) []byte {
	content := bytes.Join(contents, nil)
	if n := len(content); n > 0x7f {
		return append([]byte{tag, 0x83, byte(n >> 16), byte(n >> 8), byte(n)}, content...)
	}
	return append([]byte{tag, byte(len(content))}, content...)
}

func octets(s string) []byte { return element(0x04, []byte(s)) }

// message is an LDAP message (RFC 4511 section 4.1.1).
func message(id byte, op []byte, controls ...[]byte) []byte {
	if len(controls) == 0 {
		return element(0x30, element(0x02, []byte{id}), op)
	}
	return element(0x30, element(0x02, []byte{id}), op, element(0xa0, controls...))
}

// Tags of the operations (RFC 4511 appendix B), and of what stands in them.
const (
	opBind      = 0x61
	opEntry     = 0x64
	opDone      = 0x65
	opReference = 0x73
	opExtended  = 0x78
	inReferral  = 0xa3
	inName      = 0x8a
	inValue     = 0x8b
)

// answered is the end of an operation.
func answered(id, op, code byte, more ...[]byte) []byte {
	return message(id, element(op, append([][]byte{element(0x0a, []byte{code}), octets(""), octets("words")}, more...)...))
}

func entryOf(id byte, name string, attributes ...[]byte) []byte {
	return message(id, element(opEntry, octets(name), element(0x30, attributes...)))
}

// pageEnd is the control in the answer to a page (RFC 2696 section 3).
func pageEnd(cookie string) []byte {
	return element(0x30, octets(oidPaging), element(0x04, element(0x30, element(0x02, []byte{0}), octets(cookie))))
}

// peer is a directory that answers each request with the next of its answers, whatever it is asked, and hangs up after
// the last one. A nil answer is silence until the other side leaves.
type peer struct {
	asked []*ber.Packet
	ended chan struct{}
}

// serve has a peer at the other end of a connection. It takes in whatever is sent.
func serve(answers ...io.Reader) (net.Conn, *peer) {
	ours, theirs := net.Pipe()
	p := &peer{ended: make(chan struct{})}
	requests := make(chan *ber.Packet, len(answers)+1)
	go func() {
		defer close(requests)
		in := bufio.NewReader(theirs)
		for range answers {
			request, err := ber.ReadPacket(in)
			if err != nil {
				return
			}
			requests <- request
		}
		_, _ = io.Copy(io.Discard, in)
	}()
	go func() {
		defer close(p.ended)
		defer func() {
			_ = theirs.Close()
			for range requests { // until nobody reads any more
			}
		}()
		p.answer(theirs, requests, answers)
	}()
	return ours, p
}

func (p *peer) answer(to io.Writer, requests <-chan *ber.Packet, answers []io.Reader) {
	for _, answer := range answers {
		request, ok := <-requests
		if !ok {
			return
		}
		p.asked = append(p.asked, request)
		if answer == nil {
			for range requests { // until the other side has left
			}
			return
		}
		if _, err := io.Copy(to, answer); err != nil {
			return
		}
	}
}

// say is an answer of those octets.
func say(said ...[]byte) io.Reader { return bytes.NewReader(bytes.Join(said, nil)) }

// within runs a test in a bubble, in which time passes at once where everybody waits, and which does not end before every
// goroutine has that was begun in it.
func within(t *testing.T, run func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, run)
}

// with runs a session with a directory that gives those answers.
func with(t *testing.T, run func(t *testing.T, s *Session), answers ...io.Reader) {
	t.Helper()
	within(t, func(t *testing.T) {
		conn, p := serve(answers...)
		s := Open(t.Context(), conn)
		run(t, s)
		s.Close()
		<-p.ended
	})
}
