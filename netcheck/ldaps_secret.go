package netcheck

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"sallyport/check"
)

// maxSecret is how many octets a password file may hold.
const maxSecret = 4 << 10

// readSecret is the password in a file, without one line end after it. It is never empty: an empty password would bind
// anonymously, and succeed (RFC 4513 section 5.1.2).
func readSecret(path string) (string, error) {
	// A FIFO without a writer must not hold up the run.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return "", fmt.Errorf("password file: %w", err)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return "", fmt.Errorf("password file: %w", err)
	}
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("password file %s is no regular file", path)
	}
	raw, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err != nil {
		return "", fmt.Errorf("password file: %w", err)
	}
	if len(raw) > maxSecret {
		return "", fmt.Errorf("password file %s is larger than %d octets", path, maxSecret)
	}
	raw = bytes.TrimSuffix(bytes.TrimSuffix(raw, []byte("\n")), []byte("\r"))
	if len(raw) == 0 {
		return "", errors.Join(errEmptySecret, fmt.Errorf("password file %s", path))
	}
	return string(raw), nil
}

// errEmptySecret says that a password file has no password in it.
var errEmptySecret = errors.New("the password is empty, and would bind anonymously")

// RefusedSecrets remembers which passwords a directory has refused, so that none is tried twice: a monitor must never
// lock an account. It keeps a keyed hash of them, not the passwords, and the key is new in each process. One value may
// serve several checks, which then spare an account that they share; a new value forgets. The
// zero value is ready for use, and is safe for concurrent use.
type RefusedSecrets struct {
	mu      sync.Mutex
	key     []byte
	refused map[refusedKey]refusal
	turns   map[string]chan struct{} // one bind at a time for each bind DN
}

type refusedKey struct {
	bindDN string
	mac    [sha256.Size]byte
}

// refusal is when and how a password was refused.
type refusal struct {
	since time.Time
	cause check.Cause
	by    string // address of the directory server
}

// find is the refusal of that password for that user, if there was one.
func (s *RefusedSecrets) find(bindDN, secret string) (refusal, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.refused[s.keyOf(bindDN, secret)]
	return r, ok
}

// add remembers a refusal. Only the latest one of a user is kept: that is the secret in the file.
func (s *RefusedSecrets) add(bindDN, secret string, r refusal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k := range s.refused {
		if k.bindDN == sameDN(bindDN) {
			delete(s.refused, k)
		}
	}
	if s.refused == nil {
		s.refused = map[refusedKey]refusal{}
	}
	s.refused[s.keyOf(bindDN, secret)] = r
}

// keyOf must be called with the lock held.
func (s *RefusedSecrets) keyOf(bindDN, secret string) refusedKey {
	if s.key == nil {
		s.key = []byte(rand.Text())
	}
	mac := hmac.New(sha256.New, s.key)
	_, _ = io.WriteString(mac, secret) // a hash does not fail
	return refusedKey{bindDN: sameDN(bindDN), mac: [sha256.Size]byte(mac.Sum(nil))}
}

// turn is the token of a user's binds: whoever holds it may try the password. It is a channel and no lock so that a
// wait for it ends with a context.
func (s *RefusedSecrets) turn(bindDN string) chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.turns == nil {
		s.turns = map[string]chan struct{}{}
	}
	key := sameDN(bindDN)
	if s.turns[key] == nil {
		s.turns[key] = make(chan struct{}, 1)
	}
	return s.turns[key]
}

// sameDN is one form for the spellings of a DN that differ in case only, as nearly all directories compare them.
func sameDN(dn string) string { return strings.ToLower(dn) }
