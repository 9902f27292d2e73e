package kernel

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"sallyport/firewall"
)

// Dump is the table inet sallyport as the kernel holds it, in a normal form: two dumps are equal when they judge every
// packet alike and say so in the same instructions. What changes without anybody's doing (counters, handles, elements
// that packets add or that expire) is not part of it. The zero Dump is no dump, and equal to none.
type Dump struct {
	table rawTable
	sum   [sha256.Size]byte
}

// newDump parses and normalises messages.
func newDump(s snapshot) (Dump, error) {
	table, err := decodeTable(s)
	if err != nil {
		return Dump{}, err
	}
	return dumpOf(table)
}

func dumpOf(table rawTable) (Dump, error) {
	d := Dump{table: table}
	hash := sha256.New()
	w := bufio.NewWriterSize(hash, 1<<16)
	if err := table.normalise(w); err != nil {
		return Dump{}, err
	}
	if err := w.Flush(); err != nil {
		return Dump{}, err
	}
	hash.Sum(d.sum[:0])
	return d, nil
}

// Hash is the SHA-256 of the normal form. It is comparable only between dumps of the same kernel and release: a later
// kernel may send more attributes.
func (d Dump) Hash() [sha256.Size]byte { return d.sum }

// Equal says whether two dumps are of the same rules. A zero Dump is equal to nothing, not to another zero Dump either.
func (d Dump) Equal(other Dump) bool { return d.sum != [sha256.Size]byte{} && d.sum == other.sum }

// Generation numbers the state of the namespace's ruleset that was read: each commit, to any table and by anybody, raises
// it, and it wraps around from 2³²-1 to 1. It is 0 where nothing was read from the kernel.
func (d Dump) Generation() uint32 { return d.table.source.generation }

// Dormant says whether the table's hooks are not registered, so that it judges no packet.
func (d Dump) Dormant() bool { return d.table.flags&unix.NFT_TABLE_F_DORMANT != 0 }

// String is the normal form itself, for a person who must see where two dumps differ that read as the same ruleset.
func (d Dump) String() string {
	var b strings.Builder
	if err := d.table.normalise(&b); err != nil {
		return err.Error()
	}
	return b.String()
}

// Ruleset is the dump in the words of package firewall. What it has no word for stands there as an opaque statement,
// which no compiled ruleset has.
func (d Dump) Ruleset() firewall.Ruleset { return readTable(d.table) }

// Dump reads the table inet sallyport as it is in force. Nothing of any other table is decoded. It takes at most ten
// seconds, less where the context ends sooner. The errors are ErrNoTable (with a dump that is none, but tells its
// generation), ErrNotPermitted, ErrNoNftables, ErrUnsteady, ErrTooLarge, and the context's.
func (c *Conn) Dump(ctx context.Context) (Dump, error) {
	table, err := c.look(ctx, firewall.Table)
	switch {
	case errors.Is(err, ErrNoTable):
		return Dump{table: table}, fmt.Errorf("kernel: %w", err)
	case err != nil:
		return Dump{}, fmt.Errorf("kernel: %w", err)
	}
	return dumpOf(table)
}

// Read is Dump in the words of package firewall. Two tables that read the same may still differ in their instructions:
// to tell whether the kernel holds what was compiled, compare dumps; to tell a person what is different, read.
func (c *Conn) Read(ctx context.Context) (firewall.Ruleset, error) {
	table, err := c.look(ctx, firewall.Table)
	if err != nil {
		return firewall.Ruleset{}, fmt.Errorf("kernel: %w", err)
	}
	return readTable(table), nil
}

// look reads a table without bringing it to its normal form. With ErrNoTable, the generation is still told.
func (c *Conn) look(ctx context.Context, table string) (rawTable, error) {
	return c.lookAt(ctx, table, nil)
}

// lookAt is look at those sets' elements only that are worth it: all of them where worth is nil.
func (c *Conn) lookAt(ctx context.Context, table string, worth worth) (rawTable, error) {
	s, err := c.snapshot(ctx, table, worth)
	if err != nil {
		return rawTable{source: s}, err
	}
	return decodeTable(s)
}
