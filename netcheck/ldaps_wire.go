package netcheck

import (
	"errors"
	"net"
	"sync"
)

// errWireBudget says that a directory sent more than a base search may take.
var errWireBudget = errors.New("the directory sends more than it was asked for")

// ldapWire is the connection below the LDAP library. It bounds what a directory may send in all, and keeps the first
// error of a read as it was: the library hands it on as text only.
type ldapWire struct {
	net.Conn

	mu       sync.Mutex
	budget   int64 // octets that may still be read
	received int64
	err      error
}

// Read reads within the budget.
func (w *ldapWire) Read(p []byte) (int, error) {
	w.mu.Lock()
	budget := w.budget
	w.mu.Unlock()
	if budget <= 0 {
		w.note(0, errWireBudget)
		return 0, errWireBudget
	}
	n, err := w.Conn.Read(p[:min(int64(len(p)), budget)])
	w.note(n, err)
	return n, err
}

func (w *ldapWire) note(n int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.budget -= int64(n)
	w.received += int64(n)
	if w.err == nil {
		w.err = err
	}
}

// state is how many octets have come and the first error of a read, nil while there was none.
func (w *ldapWire) state() (received int64, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.received, w.err
}
