package main

import (
	"context"
	"errors"
	"log/slog"
	"testing"

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
	if err := p.take(t.Context(), next); !errors.Is(err, kernel.ErrUnsupported) {
		t.Fatal(err)
	}
	if live.held != kernel.OwnershipWatch {
		t.Errorf("the table is to be held by %d", live.held)
	}
}
