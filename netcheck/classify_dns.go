package netcheck

import (
	"errors"
	"net"

	"sallyport/check"
	"sallyport/netcheck/resolver"
)

// classifyDNS names the cause of a failed resolution. It knows the resolver's errors, and what Go's says by itself; ok is
// false for an error that comes from neither.
func classifyDNS(err error) (cause check.Cause, detail string, ok bool) {
	if ours, ok := errors.AsType[*resolver.Error](err); ok {
		return ours.Cause, ours.Error(), true
	}
	theirs, ok := errors.AsType[*net.DNSError](err)
	if !ok {
		return "", "", false
	}
	told := resolver.Told("", theirs)
	return told.Cause, told.Detail, true
}

// isTimeout says whether a read or a write met its deadline.
func isTimeout(err error) bool {
	timeout, ok := errors.AsType[net.Error](err)
	return ok && timeout.Timeout()
}
