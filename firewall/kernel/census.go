package kernel

import (
	"context"
	"fmt"
	"runtime"
	"sallyport/firewall/kernel/census"
	"time"
)

const censusLimit = 10 * time.Second // for one census when the caller sets no nearer deadline

// TakeCensus reads what others have in the network namespace of the calling thread, and changes nothing: not even by
// asking, which for legacy iptables would make a table that nobody uses. The nftables part is of one generation. It
// takes at most ten seconds, less where the context ends sooner, and at most 64 MiB of answers. The errors are those of
// Dump; where only a part cannot be read, that is a gap.
func TakeCensus(ctx context.Context) (census.Census, error) {
	runtime.LockOSThread() // sockets and /proc are of the thread's namespace
	defer runtime.UnlockOSThread()
	ctx, cancel := context.WithTimeoutCause(ctx, censusLimit,
		fmt.Errorf("no whole census in %s: %w", censusLimit, context.DeadlineExceeded))
	defer cancel()
	c, err := takeTables(ctx)
	if err != nil {
		return census.Census{}, fmt.Errorf("kernel: take a census of nftables: %w", err)
	}
	c.ReadHost(ctx)
	return c, nil
}
