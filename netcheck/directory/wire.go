package directory

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
)

// Bounds on what a directory may send.
const (
	maxMessage  = 1 << 20   // octets of one message
	baseBudget  = 64 << 10  // octets for a bind, the rootDSE and the end of a search
	entryBudget = 2 << 10   // and for each entry that is asked for by its name alone
	maxBudget   = 256 << 20 // and in all: a million entries with names of some 200 octets
	readAhead   = 4 << 10   // octets that are read at once
)

// errBudget says that a directory sent more than it was asked for.
var errBudget = errors.New("the directory sends more than it was asked for")

// notLDAP is why the octets that came are none of LDAP.
type notLDAP struct{ err error }

func (e *notLDAP) Error() string { return "the answer is no LDAP: " + e.err.Error() }
func (e *notLDAP) Unwrap() error { return e.err }

// wire reads messages from a connection, one at a time, within a budget.
type wire struct {
	net.Conn
	in       *bufio.Reader
	budget   int // octets that may still be read
	received int
	message  []byte // the last one; its room is used again
}

func newWire(conn net.Conn) *wire {
	w := &wire{Conn: conn, budget: baseBudget}
	w.in = bufio.NewReaderSize(readerFunc(w.read), readAhead)
	return w
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// read reads from the connection within the budget.
func (w *wire) read(p []byte) (int, error) {
	if w.budget <= 0 {
		return 0, errBudget
	}
	n, err := w.Read(p[:min(len(p), w.budget)])
	w.budget -= n
	w.received += n
	return n, err
}

// allow raises the budget for a search of that many entries.
func (w *wire) allow(entries int) {
	w.budget += min(entries, maxBudget/entryBudget) * entryBudget
}

// next reads one message. It is valid until the next one is read.
func (w *wire) next() (response, error) {
	content, err := w.envelope()
	if err != nil {
		return response{}, err
	}
	r, err := parseResponse(content)
	if err != nil {
		return response{}, &notLDAP{err}
	}
	return r, nil
}

// envelope reads the content of the sequence that each message is. What is announced is made room for only as it comes.
func (w *wire) envelope() (elements, error) {
	head, err := w.in.Peek(2)
	if err == nil && head[1] > 0x80 {
		head, err = w.in.Peek(2 + min(int(head[1]&0x7f), 4))
	}
	if len(head) > 0 && head[0] != tagSequence {
		return nil, &notLDAP{fmt.Errorf("it begins with %#02x", head[0])}
	}
	if err != nil {
		return nil, unexpected(err, len(head))
	}
	_, length, size, err := header(head)
	if err != nil {
		return nil, &notLDAP{err}
	}
	if _, err := w.in.Discard(size); err != nil {
		return nil, err
	}
	w.message = w.message[:0]
	for len(w.message) < length {
		part := min(length-len(w.message), readAhead)
		at := len(w.message)
		w.message = slices.Grow(w.message, part)[:at+part]
		if _, err := io.ReadFull(w.in, w.message[at:]); err != nil {
			return nil, unexpected(err, 1)
		}
	}
	return w.message, nil
}

// unexpected is an end of the connection within a message.
func unexpected(err error, before int) error {
	if before > 0 && errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
