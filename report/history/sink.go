package history

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"sync"
	"time"

	"sallyport/check"
)

// Options say how long things are kept, and who is told of trouble.
type Options struct {
	Keep   time.Duration // what is older is deleted; 0: nothing is
	Logger *slog.Logger  // nil: nobody is told
}

const (
	// queueSize bounds the transitions that wait for the disk; more are dropped and counted.
	queueSize = 1024
	// knocksAtOnce bounds the sources that wait, and knocksEvery is how often they are written: who knocks does so again.
	knocksAtOnce = 8192
	knocksEvery  = time.Minute
	// batch is how many transitions one commit holds at most.
	batch = 256
	// retryEvery is the wait before a write that failed is tried again.
	retryEvery = 5 * time.Second
	// pruneEvery is how often what is too old is deleted.
	pruneEvery = time.Hour
	// writeWithin bounds one commit, and flushWithin what is written when the sink is stopped.
	writeWithin = 10 * time.Second
	flushWithin = time.Second
)

// Sink writes what it is told to the database. Its methods may be called by many goroutines and never wait.
type Sink struct {
	path  string
	keep  time.Duration
	log   *slog.Logger
	queue chan check.Transition

	// Of Run alone.
	db      *sql.DB
	pending []check.Transition // taken from the queue, not written yet

	mu      sync.Mutex
	knocks  map[door]Knock // not written yet
	since   time.Time      // of the trouble; zero while there is none
	err     error
	dropped uint64
}

// New opens the database at path, a damaged one set aside and begun anew. Its errors are those of the file system, and
// ErrVersion.
func New(ctx context.Context, path string, options Options) (*Sink, error) {
	log := options.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	db, err := openWriter(ctx, path)
	if errors.Is(err, ErrDamaged) {
		aside, asideErr := setAside(path, time.Now())
		if asideErr != nil {
			return nil, errors.Join(err, asideErr)
		}
		log.Error("the history was damaged: it was set aside, and a new one begins", "aside", aside, "err", err)
		db, err = openWriter(ctx, path)
	}
	if err != nil {
		return nil, err
	}
	return &Sink{
		path: path, keep: options.Keep, log: log, db: db,
		queue: make(chan check.Transition, queueSize), knocks: map[door]Knock{},
	}, nil
}

// Close gives up a sink that was never run.
func (s *Sink) Close() error { return s.db.Close() }

// Result does nothing: single results are not kept.
func (s *Sink) Result(check.Result) {}

// Transition queues a transition.
func (s *Sink) Transition(t check.Transition) {
	select {
	case s.queue <- t:
	default:
		s.mu.Lock()
		s.dropped++
		s.mu.Unlock()
	}
}

// Knocks notes who was refused by now: Packets is what the kernel has counted, Last when that was read.
func (s *Sink) Knocks(list []Knock) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range list {
		if _, known := s.knocks[k.door()]; known || len(s.knocks) < knocksAtOnce {
			s.knocks[k.door()] = k
		}
	}
}

// Down says since when the database cannot be written and why; since is zero while it can. dropped counts the transitions
// that were lost for want of room.
func (s *Sink) Down() (since time.Time, dropped uint64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.since, s.dropped, s.err
}

// Run writes what is queued until ctx ends, then what is left, and closes the database. It is to be called once.
func (s *Sink) Run(ctx context.Context) error {
	s.keepWriting(ctx)
	left, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushWithin)
	defer cancel()
	s.take()
	err := s.write(left)
	if err == nil {
		err = s.writeKnocks(left)
	}
	return errors.Join(err, s.db.Close())
}

func (s *Sink) keepWriting(ctx context.Context) {
	knocks, prune := time.NewTicker(knocksEvery), time.NewTicker(pruneEvery)
	defer knocks.Stop()
	defer prune.Stop()
	s.note(s.prune(ctx))
	for {
		retry := time.Duration(0)
		err := s.write(ctx)
		if s.note(err); err != nil {
			retry = retryEvery
		}
		select {
		case <-ctx.Done():
			return
		case t := <-s.more(retry):
			s.pending = append(s.pending, t)
			s.take()
		case <-after(retry):
		case <-knocks.C:
			s.note(s.writeKnocks(ctx))
		case <-prune.C:
			s.note(s.prune(ctx))
		}
	}
}

// more is the queue, but while a write waits to be tried again: then what comes stays in the queue, which is bounded.
func (s *Sink) more(retry time.Duration) <-chan check.Transition {
	if retry > 0 {
		return nil
	}
	return s.queue
}

// after is a timer's channel, or none.
func after(d time.Duration) <-chan time.Time {
	if d == 0 {
		return nil
	}
	return time.After(d)
}

// take moves what is queued to what one commit will hold.
func (s *Sink) take() {
	for len(s.pending) < batch {
		select {
		case t := <-s.queue:
			s.pending = append(s.pending, t)
		default:
			return
		}
	}
}

// note keeps the outcome of a write for who asks, and tells the log when it changes.
func (s *Sink) note(err error) {
	s.mu.Lock()
	was := s.since
	if s.err = err; err == nil {
		s.since = time.Time{}
	} else if s.since.IsZero() {
		s.since = time.Now()
	}
	s.mu.Unlock()
	switch {
	case err != nil && was.IsZero():
		s.log.Warn("the history cannot be written: transitions wait for it", "path", s.path, "err", err, "room", queueSize)
	case err == nil && !was.IsZero():
		s.log.Info("the history can be written again", "path", s.path)
	}
}
