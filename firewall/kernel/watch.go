package kernel

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

const (
	// watchBuffer is what the kernel may hold for us of notifications that are still to be read. It counts what a message
	// occupies, some hundred bytes each: this is room for thousands of commits.
	watchBuffer = 1 << 20
	// watchMessage is above any notification of a commit, which has three small attributes.
	watchMessage = 4 << 10
)

// Watch begins to listen for commits to the nftables ruleset of the calling thread's network namespace, in any table, and
// returns what follows them: it is to be called once, calls changed for each commit from its own goroutine until the
// context ends, and ends the listening. Commits between the two calls are not lost. Where the kernel had to leave
// commits out, because they came faster than they were read, changed is called with the zero Change. Not all that changes
// a ruleset is a commit: a table whose owner ends goes without one.
//
// The errors of Watch are ErrNotPermitted, ErrNoNftables and those of socket(2); follow returns nil when the context ends,
// and else what broke the socket.
func (*Conn) Watch() (follow func(ctx context.Context, changed func(Change)) error, err error) {
	conn, err := listenForCommits(watchBuffer)
	if err != nil {
		return nil, fmt.Errorf("kernel: watch nftables: %w", reason(err))
	}
	return func(ctx context.Context, changed func(Change)) error {
		defer func() { _ = conn.Close() }() // nothing was written that could be lost
		return followOn(ctx, conn, changed)
	}, nil
}

// listenForCommits opens a socket that hears of commits and of nothing else. The filter comes before the group, so that
// nothing gets in without it.
func listenForCommits(buffer int) (*netlink.Conn, error) {
	conn, err := netlink.Dial(unix.NETLINK_NETFILTER, &netlink.Config{MessageBufferSize: watchMessage})
	if err != nil {
		return nil, err
	}
	filter, err := commitsOnly()
	if err == nil {
		err = conn.SetBPF(filter)
	}
	if err == nil {
		err = conn.SetReadBuffer(buffer) // past net.core.rmem_max where CAP_NET_ADMIN allows it
	}
	if err == nil {
		err = conn.JoinGroup(unix.NFNLGRP_NFTABLES)
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

// followOn reads until the context ends.
func followOn(ctx context.Context, conn *netlink.Conn, changed func(Change)) error {
	release := context.AfterFunc(ctx, func() {
		_ = conn.SetReadDeadline(time.Unix(1, 0)) // wakes the reader; it fails only on a closed socket, which has none
	})
	defer release()
	for ctx.Err() == nil {
		for m, err := range conn.ReceiveIter() {
			switch {
			case err == nil:
				changed(decodeChange(uint16(m.Header.Type), m.Data))
			case errors.Is(err, unix.ENOBUFS):
				changed(Change{}) // the kernel says so once, and goes on with what comes after
			case ctx.Err() != nil && errors.Is(err, os.ErrDeadlineExceeded):
				return nil
			default:
				return fmt.Errorf("kernel: watch nftables: %w", reason(err))
			}
		}
	}
	return nil
}
