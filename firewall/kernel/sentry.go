package kernel

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/firewall"
)

// maxSentries bounds the threads; on a machine with more processors, programs on the others are met less often.
const maxSentries = 16

// Sentries put a table back that is gone, as fast as can be: by a transaction that was encoded beforehand, from a thread
// on each processor. They know no dump, no difference and no verification: whoever has them looks at the table afterwards.
// They make a table of nobody's, and never change one that is there.
//
// Why so fast: a program that has flushed the ruleset and ends closes its netlink socket, some ten microseconds after the
// commit, and the kernel then keeps everybody from writing until a grace period is over, some ten milliseconds
// (nft_rcv_nl_event, which waits for what was deleted to be destroyed, under commit_mutex). Who is to write before that
// must be at the mutex before the program gets to close: it takes longer than that to wake a thread on another processor
// that sleeps, but one on the same processor may run when the system call of the commit ends.
type Sentries struct {
	posts []*sentry
	stop  int                    // an eventfd: ended, when it can be read
	plan  atomic.Pointer[[]byte] // what makes the table, less the beginning of the batch; nil: nothing is to be made
}

// Restoration is a table put back.
type Restoration struct {
	After Change    // the commit that is known to have come before: the table was gone after it
	Heard time.Time // when that was heard of
	Done  time.Time // when the table was in force again
}

// NewSentries opens their sockets in the network namespace of the calling thread. They do nothing before Arm and Run. The
// errors are ErrNotPermitted, ErrNoNftables and those of socket(2).
func NewSentries() (*Sentries, error) {
	var processors unix.CPUSet
	if err := unix.SchedGetaffinity(0, &processors); err != nil {
		return nil, fmt.Errorf("kernel: which processors: %w", err)
	}
	stop, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("kernel: eventfd: %w", err)
	}
	s := &Sentries{stop: stop}
	for cpu := 0; len(s.posts) < min(processors.Count(), maxSentries); cpu++ {
		if !processors.IsSet(cpu) {
			continue
		}
		post, err := newSentry(cpu)
		if err != nil {
			_ = s.Close()
			return nil, fmt.Errorf("kernel: open a netlink socket: %w", reason(err))
		}
		s.posts = append(s.posts, post)
	}
	return s, nil
}

// Close ends the sockets, once Run has returned or was never called.
func (s *Sentries) Close() error {
	errs := unix.Close(s.stop)
	for _, post := range s.posts {
		errs = errors.Join(errs, post.close())
	}
	return errs
}

// Arm has the ruleset put back from now on, and nil none. Neither is one whose elements expire: what was encoded before
// would give them their whole time again. Unarmed sentries hear nothing and cost nothing. The errors are those of
// encode.Ruleset and of setsockopt(2); the sentries are unarmed then.
func (s *Sentries) Arm(r *firewall.Ruleset) error {
	s.plan.Store(nil)
	if r == nil || expires(*r) {
		return s.listen(false)
	}
	plan, err := creation(*r)
	if err == nil {
		for _, post := range s.posts {
			err = errors.Join(err, post.makeRoom(len(plan)))
		}
	}
	if err == nil {
		err = s.listen(true)
	}
	if err != nil {
		return fmt.Errorf("kernel: be ready to put the table back: %w", errors.Join(err, s.listen(false)))
	}
	s.plan.Store(&plan)
	return nil
}

// Armed says whether a table that is gone would be put back.
func (s *Sentries) Armed() bool { return s.plan.Load() != nil }

func (s *Sentries) listen(on bool) error {
	var errs error
	for _, post := range s.posts {
		errs = errors.Join(errs, post.listen(on))
	}
	return errs
}

func expires(r firewall.Ruleset) bool {
	return slices.ContainsFunc(r.Sets, func(s firewall.Set) bool { return s.Timed && len(s.Elements) > 0 })
}

// Run stands sentry until the context ends. Before each restoration it asks whether it may; after each it tells. Both are
// called from several threads at a time. It is to be called once. What stops one sentry leaves the others; the error is
// what stopped them all.
func (s *Sentries) Run(ctx context.Context, may func() bool, restored func(Restoration)) error {
	release := context.AfterFunc(ctx, func() {
		_, _ = unix.Write(s.stop, []byte{1, 0, 0, 0, 0, 0, 0, 0}) // an eventfd that is not read never fills up by one
	})
	defer release()
	errs := make([]error, len(s.posts))
	var standing sync.WaitGroup
	for i, post := range s.posts {
		standing.Go(func() {
			runtime.LockOSThread() // never unlocked: the thread is the processor's, and ends with the goroutine
			post.settle()
			errs[i] = s.stand(ctx, post, may, restored)
		})
	}
	standing.Wait()
	if slices.Contains(errs, nil) {
		return nil
	}
	return fmt.Errorf("kernel: be ready to put the table back: %w", errors.Join(errs...))
}

// stand waits for commits, and looks after each whether the table is gone.
func (s *Sentries) stand(ctx context.Context, post *sentry, may func() bool, restored func(Restoration)) error {
	for ctx.Err() == nil {
		change, err := post.next(s.stop)
		if errors.Is(err, errStopped) {
			return nil
		}
		if err != nil {
			return err
		}
		heard := time.Now()
		plan := s.plan.Load()
		if plan == nil || !post.missing() || !may() {
			continue
		}
		if post.restore(*plan, change.Generation) == nil {
			restored(Restoration{After: change, Heard: heard, Done: time.Now()})
		}
		// Where it did not succeed, somebody else has committed, which is heard next, or it is a matter for who looks
		// again and reads the reason.
	}
	return nil
}

// Sentries is NewSentries, in the namespace of the connection.
func (*Conn) Sentries() (*Sentries, error) { return NewSentries() }
