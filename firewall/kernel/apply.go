package kernel

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/firewall"
	"sallyport/firewall/kernel/encode"
)

// ErrMismatch says that the kernel took a transaction and yet holds something else than was meant. A MismatchError
// carries the difference.
var ErrMismatch = errors.New("the kernel does not hold what was written")

// MismatchError is what was read back after a write, where it is not what was meant.
type MismatchError struct {
	Drift firewall.Drift // empty where the difference is in what the vocabulary cannot say
}

// Error says what differs.
func (e *MismatchError) Error() string {
	what := e.Drift.String()
	if e.Drift.Empty() {
		what = "the rules read alike, their instructions differ"
	}
	return fmt.Sprintf("table inet %s: %v:\n%s", firewall.Table, ErrMismatch, what)
}

// Unwrap is ErrMismatch.
func (e *MismatchError) Unwrap() error { return ErrMismatch }

// applyTries is how often a transaction is made anew because someone changed the ruleset of the namespace, in any table,
// between our look at it and the commit.
const (
	applyTries = 10
	applyPause = 2 * time.Millisecond
)

// Apply brings the table inet sallyport to the ruleset, whatever is there: nothing, an older ruleset, a drifted one, one
// with chains, sets and rules of others in it. The change is one transaction; base chains stay as they are unless their own
// hook, priority or type is wrong, and named counters go on counting. What was written is read back and compared; what
// differs is written once more from nothing but the base chains, and then is a MismatchError.
//
// Where the table judges packets and sets of intervals are new or changed, a transaction before the change makes them, and
// one after it gives them their names, so that what both policies let in is let in all the time (stages). Neither changes
// anything for any packet, and the end of the process between them leaves a table that judges as the one policy or as the
// other, which the next Apply tidies up.
//
// The connection's ownership (SetOwnership) says whose the table is afterwards.
//
// Errors: ErrNotPermitted, ErrOwned, ErrNoNftables, ErrUnsupported, encode.ErrNotEncodable, ErrUnsteady, ErrMismatch, or the
// context's.
func (c *Conn) Apply(ctx context.Context, r firewall.Ruleset) error {
	if _, err := c.apply(ctx, r); err != nil {
		return fmt.Errorf("kernel: %w", err)
	}
	return nil
}

// apply is Apply, and returns the table as it was read back.
func (c *Conn) apply(ctx context.Context, r firewall.Ruleset) (rawTable, error) {
	return c.put(ctx, r, rawTable{}, true, func(code encode.Code, got rawTable) error {
		if drift := firewall.Diff(r, readWritten(got, code)); !drift.Empty() {
			return &MismatchError{Drift: drift}
		}
		return nil
	})
}

// Repair is Apply with a stricter comparison: the table must come out equal to the golden dump, which is that of the same
// ruleset, instruction by instruction. It returns what was read back. The dump live is what was seen in need of it, so
// that it is not read again before the write: the zero Dump where nothing was, and that of ErrNoTable where that was it.
//
// It is one transaction, whatever there is: a table that was spoilt is put right before anything else is thought of.
func (c *Conn) Repair(ctx context.Context, r firewall.Ruleset, live, golden Dump) (Dump, error) {
	return c.match(ctx, r, live, golden, false)
}

// match brings the table to the ruleset, in stages or not, and compares it with the golden dump.
func (c *Conn) match(ctx context.Context, r firewall.Ruleset, live, golden Dump, staged bool) (Dump, error) {
	var dump Dump
	_, err := c.put(ctx, r, live.table, staged, func(_ encode.Code, got rawTable) error {
		var err error
		if dump, err = dumpOf(got); err == nil && !dump.Equal(golden) {
			err = &MismatchError{Drift: firewall.Diff(r, dump.Ruleset())}
		}
		return err
	})
	if err != nil {
		return Dump{}, fmt.Errorf("kernel: %w", err)
	}
	return dump, nil
}

// ApplyRehearsed is Apply with the rehearsal around it: what the ruleset gives in a throw-away namespace is what the host
// must hold afterwards, instruction by instruction. It returns that golden dump, for later looks to be compared with. A
// ruleset that cannot be rehearsed is not applied.
func (c *Conn) ApplyRehearsed(ctx context.Context, r firewall.Ruleset) (Dump, error) {
	golden, err := c.Golden(ctx, r)
	if err != nil {
		return Dump{}, err
	}
	return c.match(ctx, r, Dump{}, golden, true)
}

// putRounds bounds how often put writes: as it is, from nothing where that came out wrong, and once more where the table
// can be taken into possession only after it was put right.
const putRounds = 3

// put writes the ruleset and reads it back, since a commit without an error proves nothing. What the comparison calls a
// mismatch is written anew, once. The table live is what was seen before, or the zero one.
func (c *Conn) put(
	ctx context.Context, r firewall.Ruleset, live rawTable, staged bool, compare func(encode.Code, rawTable) error,
) (rawTable, error) {
	code, err := encode.Ruleset(r)
	if err != nil {
		return rawTable{}, err
	}
	o := order{table: firewall.Table, code: code, staged: staged}
	if o.own, err = c.wantsOwner(); err != nil {
		return rawTable{}, err
	}
	for range putRounds {
		if live, err = c.claim(ctx, o, live); err != nil {
			return rawTable{}, err
		}
		if err = c.write(ctx, o, live); err != nil {
			return rawTable{}, err
		}
		live = rawTable{}
		var got rawTable
		if got, err = c.look(ctx, o.table); err != nil && !errors.Is(err, ErrNoTable) {
			return rawTable{}, err
		}
		err = compare(code, got)
		switch {
		case err == nil && o.own && !c.holds(got):
			err = errNotHeld
		case err == nil:
			return got, c.sweep(ctx)
		case !errors.Is(err, ErrMismatch) || o.rebuild:
			return rawTable{}, err
		default:
			o.rebuild = true
		}
	}
	return rawTable{}, err
}

// order is what write is to bring about.
type order struct {
	table   string
	code    encode.Code
	rebuild bool // keep nothing but the base chains
	own     bool // a table that is not there is made with the flags owner and persist
	staged  bool // what the table lets in now and then is to be let in all the time
}

// write makes one transaction out of the difference to what is there, or three where that takes stages, and commits under
// the generation at which it looked: when somebody else commits in between, it looks again. The first look may have been
// taken before: then it is live, which has a generation.
func (c *Conn) write(ctx context.Context, o order, live rawTable) error {
	seen := live.source.generation != 0
	for try := range applyTries {
		if err := pause(ctx, time.Duration(try)*applyPause); err != nil {
			return err
		}
		var err error
		if !seen || try > 0 {
			if live, err = c.lookFor(ctx, o); err != nil && !errors.Is(err, ErrNoTable) {
				return err
			}
		}
		t := newTransaction(c.nft, o, live)
		if t.absent && try > 0 {
			// Against who deletes the table again and again the race for a generation may never be won. Generation 0 asks
			// for none: nothing that is there is meant, so that nothing can have changed; reading back tells.
			t.live.source.generation = 0
		}
		if s, ok := stagesOf(o, live); ok {
			err = c.commitStages(o, s, live)
		} else {
			err = c.commit(t, o.code)
		}
		switch {
		case errors.Is(err, unix.ERESTART), errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.ENOBUFS):
			// The answers did not fit the socket's buffer: the commit may have gone through or not, and reading it
			// back will tell.
			return nil
		case errors.Is(err, unix.EPERM) && live.owned() && !c.holds(live):
			return ownedBy(o.table, live)
		case err != nil:
			return fmt.Errorf("table inet %s: %w", o.table, c.explain(o.code, err))
		}
		return nil
	}
	return fmt.Errorf("%w: gave up after %d tries to write", ErrUnsteady, applyTries)
}

// commit sends what the transaction is to do, and in a second one the flag dormant where it cannot go with the rest.
func (c *Conn) commit(t *transaction, code encode.Code) error {
	toggle := t.content(code)
	if err := c.nft.FlushWithGenID(t.live.source.generation); err != nil || !toggle {
		return err
	}
	t.setDormant(code.Ruleset.Dormant)
	return c.nft.Flush()
}
