package syslog

import (
	"cmp"
	"context"
	"log/slog"
	"os"
	"strconv"
	"sync"
	"time"

	"sallyport/check"
)

// Options say who sends, and how.
type Options struct {
	Hostname string   // of the header; none is sent unless set
	AppName  string   // sallyport unless set
	ProcID   string   // the process id unless set
	Facility Facility // Daemon unless set
	Results  bool     // send each result too, not only transitions

	// Retry begins an outage: the function it returns gives the wait before each attempt to reach the server again.
	// Without it, and where it returns zero or less, an attempt is made every five seconds.
	Retry func() (next func() time.Duration)

	Logger *slog.Logger // told when the server goes away and when it is back; nil: nobody is
}

// Bounds of time.
const (
	retryEvery  = 5 * time.Second        // where Options.Retry says nothing
	dialWithin  = 5 * time.Second        // one attempt to connect, with its TLS handshake
	writeWithin = 5 * time.Second        // one record
	flushWithin = 500 * time.Millisecond // everything that is left when the sink is stopped
	stableAfter = 30 * time.Second       // a connection that lasted so long ends the outage before it
)

// Sink sends what it is told to one syslog server. Its methods may be called by many goroutines and never wait.
type Sink struct {
	target  Target
	source  source
	results bool
	retry   func() func() time.Duration
	log     *slog.Logger
	queue   *queue

	// Of Run alone.
	conn    *conn
	pending []byte // taken from the queue, not sent yet
	told    uint64 // how many dropped records the server knows of

	mu    sync.Mutex
	since time.Time // zero while the server is there
	err   error
}

// New makes a sink. Nothing is sent before Run.
func New(target Target, options Options) *Sink {
	retry := options.Retry
	if retry == nil {
		retry = func() func() time.Duration { return func() time.Duration { return retryEvery } }
	}
	return &Sink{
		target: target,
		source: source{
			facility: cmp.Or(options.Facility, Daemon),
			hostname: options.Hostname,
			appName:  cmp.Or(options.AppName, "sallyport"),
			procID:   cmp.Or(options.ProcID, strconv.Itoa(os.Getpid())),
		},
		results: options.Results,
		retry:   retry,
		log:     cmp.Or(options.Logger, slog.New(slog.DiscardHandler)).With("sink", target.String()),
		queue:   newQueue(),
	}
}

// String is the target's name, as the configuration writes it.
func (s *Sink) String() string { return s.target.String() }

// Result queues a result, where Options.Results asks for them.
func (s *Sink) Result(r check.Result) {
	if s.results {
		s.queue.put(s.target.format(resultRecord(r), s.source))
	}
}

// Transition queues a transition.
func (s *Sink) Transition(t check.Transition) {
	s.queue.put(s.target.format(transitionRecord(t), s.source))
}

// Down says since when the server has been away and why; since is zero while it is there, and err nil. dropped counts
// the records that were lost for want of room, since the start.
//
// A server behind udp is there as long as the kernel hears nothing else: UDP does not acknowledge, and a record that
// no one received is neither noticed nor counted.
func (s *Sink) Down() (since time.Time, dropped uint64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.since, s.queue.droppedSoFar(), s.err
}

// Run sends what is queued until ctx ends, and connects again and again to a server that went. At the end it sends
// what is left, for at most about half a second. It returns nil; it is to be called once.
func (s *Sink) Run(ctx context.Context) error {
	s.keepServing(ctx)
	s.flush(context.WithoutCancel(ctx))
	return nil
}

func (s *Sink) keepServing(ctx context.Context) {
	var next func() time.Duration
	for ctx.Err() == nil {
		began := time.Now()
		err := s.serve(ctx)
		if ctx.Err() != nil {
			return
		}
		s.away(err)
		if next == nil || time.Since(began) > stableAfter {
			next = s.retry()
		}
		wait := next()
		if wait <= 0 {
			wait = retryEvery
		}
		sleep(ctx, wait)
	}
}

// serve connects and sends records until the server is gone, which it returns the reason of, or ctx ends. In that case
// the connection stays open, for flush.
func (s *Sink) serve(ctx context.Context) error {
	if err := s.connect(ctx); err != nil {
		return err
	}
	defer hurry(ctx, s.conn)()
	for {
		if err := s.drain(ctx); err != nil {
			s.disconnect()
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-s.conn.gone:
			err := s.conn.err
			s.disconnect()
			return err
		case <-s.queue.wake:
		}
	}
}

// drain sends what is queued. A record that could not be sent stays pending.
func (s *Sink) drain(ctx context.Context) error {
	for s.next() {
		if err := s.conn.SetWriteDeadline(deadline(ctx, writeWithin)); err != nil {
			return err
		}
		select {
		case <-ctx.Done(): // if it ends only after this, hurry shortens the deadline that was just set
			return nil
		default:
		}
		if err := s.conn.write(s.pending); err != nil {
			return err
		}
		if !s.conn.proven || s.queue.empty() {
			if err := s.conn.refused(); err != nil {
				return err
			}
		}
		s.pending = nil
		s.back()
	}
	return nil
}

// next makes the next record pending, and says whether there is one. What was dropped is told first.
func (s *Sink) next() bool {
	if s.pending == nil {
		if dropped := s.queue.droppedSoFar(); dropped > s.told {
			s.pending = s.target.format(droppedRecord(dropped-s.told, time.Now()), s.source)
			s.told = dropped
		}
	}
	if s.pending == nil {
		s.pending = s.queue.take()
	}
	return s.pending != nil
}

func (s *Sink) connect(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, dialWithin)
	defer cancel()
	c, err := s.target.dial(ctx)
	if err != nil {
		return err
	}
	if err := c.settled(ctx); err != nil {
		_ = c.Close() // the server was the first to
		return err
	}
	s.conn = c
	if c.proven {
		s.back()
	}
	return nil
}

func (s *Sink) disconnect() {
	_ = s.conn.Close() // what matters was noticed by the writes
	s.conn = nil
}

// flush sends what is left and closes the connection, for the latest after flushWithin.
func (s *Sink) flush(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, flushWithin)
	defer cancel()
	var err error
	if s.conn == nil && (s.pending != nil || !s.queue.empty()) {
		err = s.connect(ctx)
	}
	if s.conn != nil {
		err = s.drain(ctx)
		s.disconnect()
	}
	left := 0
	if s.pending != nil {
		left, s.pending = 1, nil
	}
	if left = s.queue.abandon(left); left > 0 {
		s.log.Warn("stopped before every record could be sent", "records", left, "error", err)
	}
}

// away notes that the server is not there.
func (s *Sink) away(err error) {
	s.mu.Lock()
	first := s.since.IsZero()
	if first {
		s.since = time.Now()
	}
	s.err = err
	s.mu.Unlock()
	if first {
		s.log.Warn("the syslog server is away: records wait for it", "error", err, "room", queueSize)
	}
}

// back notes that the server is there.
func (s *Sink) back() {
	s.mu.Lock()
	since := s.since
	s.since, s.err = time.Time{}, nil
	s.mu.Unlock()
	if !since.IsZero() {
		s.log.Info("the syslog server is back", "away", time.Since(since).Round(time.Millisecond))
	}
}

// hurry ends a write that waits when ctx ends. The function it returns undoes that, and waits until it is undone.
func hurry(ctx context.Context, c *conn) (undo func()) {
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(done)
		_ = c.SetWriteDeadline(time.Now())
	})
	return func() {
		if !stop() {
			<-done
		}
	}
}

// deadline is the one of ctx or within from now, whichever is sooner.
func deadline(ctx context.Context, within time.Duration) time.Time {
	d := time.Now().Add(within)
	if end, ok := ctx.Deadline(); ok && end.Before(d) {
		return end
	}
	return d
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
