package directory

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
)

var (
	errBudget   = errors.New("the directory sends more than it was asked for")
	errElements = errors.New("a message of too many elements")
)

// wire is the connection beneath the LDAP library, which hands on the error of a read as text only, takes any response
// for an answer, and passes over the notice of a directory that it ends the session. So each message is read here first,
// within a budget, and handed on octet for octet only where it is part of the answer that is awaited.
type wire struct {
	net.Conn
	in      *bufio.Reader
	message bytes.Buffer // what of the last message is still to be handed on; its room is used again
	failing error        // of the last read from the connection

	mu       sync.Mutex // the library reads in a goroutine of its own
	budget   int        // octets that may still be read
	received int
	sent     int64     // requests; the library numbers them from 1
	answers  []ber.Tag // the operations that answer the last one
	awaited  bool      // their end has not come yet
	parts    int       // entries and references that were handed on since
	strays   int       // messages that answered none of the requests that wait
	links    []string  // of the references of a search
	broken   error     // the first error of a read
	unsent   error     // the first error of a write
}

func newWire(conn net.Conn) *wire {
	w := &wire{Conn: conn, budget: baseBudget}
	w.in = bufio.NewReaderSize(readerFunc(w.receive), readAhead)
	return w
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// begin prepares for a request that must be answered by the deadline of ctx.
func (w *wire) begin(ctx context.Context, answers ...ber.Tag) error {
	deadline, _ := ctx.Deadline() // none is the zero time, which is none for a connection too
	if err := w.SetDeadline(deadline); err != nil {
		return err
	}
	w.mu.Lock()
	w.answers, w.awaited = answers, false // until it is sent
	w.mu.Unlock()
	return ctx.Err() // where it has ended, abort has set the deadline again, or will
}

// abort ends whatever is read or written.
func (w *wire) abort() { _ = w.SetDeadline(time.Unix(1, 0)) }

// allow raises the budget for a search of that many entries.
func (w *wire) allow(entries int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.budget += min(entries, maxBudget/entryBudget) * entryBudget
	w.links = nil
}

// Write sends one request.
func (w *wire) Write(p []byte) (int, error) {
	w.mu.Lock()
	w.sent++
	w.awaited, w.parts = true, 0
	w.mu.Unlock()
	n, err := w.Conn.Write(p)
	if err != nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.unsent = earlier(w.unsent, err)
	}
	return n, err
}

// Read hands on messages that answer the request.
func (w *wire) Read(p []byte) (int, error) {
	if w.message.Len() == 0 {
		if _, err := w.next(); err != nil {
			return 0, err
		}
	}
	return w.message.Read(p)
}

// next reads up to a message that answers the request. Others are passed over: their octets count.
func (w *wire) next() (response, error) {
	for {
		r, err := w.read()
		if err == nil {
			var ours bool
			if ours, err = w.judge(r); ours {
				return r, nil
			}
		}
		if err != nil {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.broken = earlier(w.broken, err)
			return response{}, err
		}
	}
}

// earlier is the first of two errors.
func earlier(first, second error) error {
	if first != nil {
		return first
	}
	return second
}

// read reads one message.
func (w *wire) read() (response, error) {
	w.message.Reset()
	head, err := w.in.Peek(1)
	if err != nil {
		return response{}, err
	}
	if head[0] != byte(ber.TypeConstructed)|byte(ber.TagSequence) {
		return response{}, &notLDAP{fmt.Errorf("it begins with %#02x", head[0])}
	}
	packet, err := ber.ReadPacket(&stepping{io.TeeReader(w.in, &w.message), maxReads})
	switch {
	case err == nil:
		return newResponse(packet)
	case errors.Is(w.failing, io.EOF):
		return response{}, io.ErrUnexpectedEOF
	case w.failing != nil:
		return response{}, w.failing
	default:
		return response{}, &notLDAP{err}
	}
}

// stepping is a reader that is read from so many times: each element of a message costs the BER library many times the
// octets that it has.
type stepping struct {
	io.Reader
	left int
}

func (s *stepping) Read(p []byte) (int, error) {
	if s.left--; s.left < 0 {
		return 0, errElements
	}
	return s.Reader.Read(p)
}

// receive reads from the connection within the budget.
func (w *wire) receive(p []byte) (n int, err error) {
	defer func() { w.failing = err }()
	w.mu.Lock()
	budget := w.budget
	w.mu.Unlock()
	if budget <= 0 {
		return 0, errBudget
	}
	n, err = w.Conn.Read(p[:min(len(p), budget)])
	w.mu.Lock()
	defer w.mu.Unlock()
	w.budget -= n
	w.received += n
	return n, err
}
