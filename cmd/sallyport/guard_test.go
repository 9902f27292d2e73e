package main

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"sallyport/config"
	"sallyport/firewall"
	"sallyport/firewall/guard"
	"sallyport/firewall/kernel"
)

// ownerless is a kernel that cannot own a table.
type ownerless struct {
	guard.Kernel
	held kernel.Ownership
}

func (k *ownerless) SetOwnership(o kernel.Ownership) { k.held = o }

func (*ownerless) Dump(context.Context) (kernel.Dump, error) { return kernel.Dump{}, kernel.ErrNoTable }

func (*ownerless) Remove(context.Context) error { return nil }

func (*ownerless) ApplyRehearsed(context.Context, firewall.Ruleset) (kernel.Dump, error) {
	return kernel.Dump{}, kernel.ErrUnsupported
}

// TestRefusedOwnershipIsTakenBack holds that a configuration which the kernel refuses for its ownership leaves that from
// before: with the new one, no repair of what stays in force would succeed.
func TestRefusedOwnershipIsTakenBack(t *testing.T) {
	live, log := &ownerless{held: kernel.OwnershipWatch}, slog.New(slog.DiscardHandler)
	p := &guardProcess{log: log, guard: guard.New(live, log)}
	next := candidate{conf: &config.Config{}}
	next.conf.Firewall.Mode, next.conf.Firewall.Ownership = config.Enforce, config.OwnershipOwner
	for name, do := range map[string]func() error{
		"in force": func() error { return p.take(t.Context(), next) },
		"on trial": func() error { _, err := p.begin(t.Context(), next, time.Minute); return err },
	} {
		if err := do(); !errors.Is(err, kernel.ErrUnsupported) {
			t.Fatalf("%s: %v", name, err)
		}
		if live.held != kernel.OwnershipWatch {
			t.Errorf("%s: the table is to be held by %d", name, live.held)
		}
	}
}

// TestTriedOwnershipIsTheTrials holds that the record tells a later start, or a boot, how the table of what is in force is
// held: not how that of a trial was that came to nothing.
func TestTriedOwnershipIsTheTrials(t *testing.T) {
	book := newLedger(t.TempDir())
	of := func(how config.Ownership) candidate {
		c := candidate{conf: &config.Config{}}
		c.conf.Firewall.Ownership = how
		return c
	}
	tried := guard.RolledBack{Reason: guard.Expired}
	err := errors.Join(book.commits(of(config.OwnershipWatch)), book.tries(of(config.OwnershipOwner), time.Minute, false),
		book.rollsBack(tried))
	if held := book.now().Ownership; err != nil || held != kernel.OwnershipWatch {
		t.Errorf("after a trial that came to nothing: %v, %v", held, err)
	}
	err = errors.Join(book.tries(of(config.OwnershipOwner), time.Minute, false), book.confirms())
	if held := book.now().Ownership; err != nil || held != kernel.OwnershipOwner {
		t.Errorf("after one that was confirmed: %v, %v", held, err)
	}
}
