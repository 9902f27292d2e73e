package kernel

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/firewall"
)

// ErrMismatch says that the kernel took a transaction and yet holds something else than was meant. A MismatchError
// carries the difference.
var ErrMismatch = errors.New("the kernel does not hold what was written")

// ErrOwned says that another program's netlink socket owns the table (its flag owner, kernel 5.12): only that program, or
// its end, lets others write.
var ErrOwned = errors.New("the table is owned by another program, which must end first")

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
	return fmt.Sprintf("kernel: table inet %s: %v:\n%s", firewall.Table, ErrMismatch, what)
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
// with chains, sets and rules of others in it. It is one transaction; base chains stay as they are unless their own hook,
// priority or type is wrong, and named counters go on counting. What was written is read back and compared; what differs
// is written once more from nothing but the base chains, and then is a MismatchError.
//
// Errors: ErrNotPermitted, ErrOwned, ErrNoNftables, ErrUnsupported, ErrNotEncodable, ErrUnsteady, ErrMismatch, or the
// context's.
func (c *Conn) Apply(ctx context.Context, r firewall.Ruleset) error {
	code, err := encode(r)
	if err != nil {
		return err
	}
	for _, rebuild := range []bool{false, true} {
		if err = c.write(ctx, firewall.Table, code, rebuild); err != nil {
			return err
		}
		if err = c.confirm(ctx, r); !errors.Is(err, ErrMismatch) {
			return err
		}
	}
	return err
}

// ApplyRehearsed is Apply with the rehearsal around it: what the ruleset gives in a throw-away namespace is what the host
// must hold afterwards, instruction by instruction. It returns that golden dump, for later looks to be compared with. A
// ruleset that cannot be rehearsed is not applied.
func (c *Conn) ApplyRehearsed(ctx context.Context, r firewall.Ruleset) (Dump, error) {
	golden, err := c.Golden(ctx, r)
	if err != nil {
		return Dump{}, err
	}
	if err := c.Apply(ctx, r); err != nil {
		return Dump{}, err
	}
	got, err := dumpTable(ctx, c.netns, firewall.Table)
	if err != nil {
		return Dump{}, err
	}
	if !got.Equal(golden) {
		return Dump{}, &MismatchError{Drift: firewall.Diff(golden.Ruleset(), got.Ruleset())}
	}
	return golden, nil
}

// confirm reads the table back: a commit without an error proves nothing.
func (c *Conn) confirm(ctx context.Context, want firewall.Ruleset) error {
	live, err := c.look(ctx, firewall.Table)
	got := firewall.Ruleset{}
	switch {
	case err == nil:
		got = readTable(live)
	case !errors.Is(err, ErrNoTable):
		return err
	}
	if drift := firewall.Diff(want, got); !drift.Empty() {
		return &MismatchError{Drift: drift}
	}
	return nil
}

// look reads a table without bringing it to its normal form.
func (c *Conn) look(ctx context.Context, table string) (rawTable, error) {
	s, err := takeSnapshot(ctx, c.netns, table)
	if err != nil {
		return rawTable{}, err
	}
	live, err := decodeTable(s)
	if err != nil {
		return rawTable{}, fmt.Errorf("kernel: cannot read the dump of table inet %s: %w", table, err)
	}
	return live, nil
}

// write makes one transaction out of the difference to what is there, and commits it under the generation at which it
// looked: when somebody else commits in between, it looks again.
func (c *Conn) write(ctx context.Context, table string, code encoded, rebuild bool) error {
	var last error
	for try := range applyTries {
		if err := pause(ctx, time.Duration(try)*applyPause); err != nil {
			return fmt.Errorf("kernel: %w", err)
		}
		err := c.tryWrite(ctx, table, code, rebuild)
		switch {
		case errors.Is(err, unix.ERESTART), errors.Is(err, unix.EINTR):
			last = err
		case errors.Is(err, unix.ENOBUFS):
			// The answers did not fit the socket's buffer: the commit may have gone through or not, and reading it
			// back will tell.
			return nil
		case err != nil:
			return c.explain(table, code, err)
		default:
			return nil
		}
	}
	return fmt.Errorf("kernel: %w: gave up after %d tries: %w", ErrUnsteady, applyTries, last)
}

func (c *Conn) tryWrite(ctx context.Context, table string, code encoded, rebuild bool) error {
	gen, genErr := c.nft.GetGen()
	live, err := c.look(ctx, table)
	absent := errors.Is(err, ErrNoTable)
	if err != nil && !absent {
		return err
	}
	if genErr != nil { // after the dump, which says why in types: this error has lost its number
		return genErr
	}
	t := newTransaction(c.nft, table, live)
	t.rebuild, t.absent = rebuild, absent
	wake := t.content(code)
	switch err := c.nft.FlushWithGenID(gen.ID); {
	case errors.Is(err, unix.EPERM) && live.flags&nftTableOwner != 0:
		return fmt.Errorf("%w: %w", ErrOwned, err)
	case err != nil || !wake:
		return err
	}
	t.setDormant(code.ruleset.Dormant)
	return c.nft.Flush()
}
