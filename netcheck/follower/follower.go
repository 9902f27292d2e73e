// Package follower keeps resolving names before their answers run out, and tells somebody where they lead. It must not
// know who that is, nor how the addresses are let out.
package follower

import (
	"context"
	"net/netip"
	"strings"
	"sync"
	"time"

	"sallyport/netcheck/resolver"
)

const (
	// soonest and latest bound how long an answer is taken for fresh, whatever its TTL says: a name with a TTL of zero is
	// not asked for without a pause, and one with a week is still looked at each hour.
	soonest = 5 * time.Second
	latest  = time.Hour
	// retryFirst and retryLongest bound the wait after a name could not be resolved, or nobody could be told.
	retryFirst   = time.Second
	retryLongest = 30 * time.Second
	// nameTimeout bounds the resolving of one name, and teachTimeout one telling.
	nameTimeout  = 5 * time.Second
	teachTimeout = 2 * time.Second
	// hookTimeout is how long a check waits at most for its addresses to be told.
	hookTimeout = 500 * time.Millisecond
	// toldFor is how long an address that was told needs no telling again. Who was told keeps it for longer.
	toldFor = 10 * time.Minute
	// maxFollowing is how many names are resolved at a time.
	maxFollowing = 8
	// maxTelling is how many addresses one telling has.
	maxTelling = 500
)

// Telling is where one name leads, for who lets packets out.
type Telling struct {
	Name      string
	Addresses []resolver.NamedAddress
}

// Barred is an address that is not let out, although a name leads to it.
type Barred struct {
	Name string
	Addr netip.Addr
	Why  string
}

// Teach tells who lets packets out where names lead, and returns what is not let out all the same.
type Teach func(ctx context.Context, told []Telling) ([]Barred, error)

// Follower keeps resolving names and tells somebody where they lead, before an answer runs out. Make one with New.
type Follower struct {
	lookup func(ctx context.Context, name string) (resolver.NameAnswer, error)
	teach  Teach
	wake   chan struct{}
	tried  chan struct{} // closed when every name was tried once

	mu     sync.Mutex
	names  map[string]*followed
	retell bool // who was told has forgotten
}

// followed is what is known of one name.
type followed struct {
	due       time.Time // when to resolve it next
	failures  int       // in a row
	addresses map[netip.Addr]*toldAddress
}

type toldAddress struct {
	ttl  time.Duration
	told time.Time // zero: not told, or forgotten
	seen time.Time // when an answer had it last
	bar  string    // why it is not let out; empty: it is
}

// New makes a follower of no names yet.
func New(teach Teach) *Follower {
	return &Follower{
		lookup: resolver.Addresses, teach: teach, wake: make(chan struct{}, 1), tried: make(chan struct{}),
		names: map[string]*followed{},
	}
}

// Follow replaces the names. One that was there keeps what is known of it.
func (f *Follower) Follow(names []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	next := make(map[string]*followed, len(names))
	for _, name := range names {
		name = canonicalHost(name)
		if next[name] = f.names[name]; next[name] == nil {
			next[name] = &followed{addresses: map[netip.Addr]*toldAddress{}}
		}
	}
	f.names = next
	f.stir()
}

// Forgotten has everything told again, at once: who was told has started anew.
func (f *Follower) Forgotten() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.retell = true
	for _, n := range f.names {
		n.forget()
		if n.failures > 0 {
			n.due = time.Now()
		}
	}
	f.stir()
}

// Tried is closed when each of the first names was resolved and told, or could not be.
func (f *Follower) Tried() <-chan struct{} { return f.tried }

// stir has Run look again what there is to do.
func (f *Follower) stir() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

func (n *followed) forget() {
	for _, a := range n.addresses {
		a.told = time.Time{}
	}
}

// canonicalHost is the name under which a host is followed: names are compared without regard to case (RFC 4343).
func canonicalHost(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }
