package netcheck

import (
	"context"
	"crypto/tls"
	"time"

	"sallyport/netcheck/directory"
)

// directoryClock is what time a directory has, by its rootDSE, which nobody must be bound to read. Active Directory tells
// it; OpenLDAP does not.
func directoryClock(ctx context.Context, conn *tls.Conn) (time.Time, bool) {
	session := directory.Open(ctx, conn)
	defer session.Close()
	root, err := session.RootDSE(ctx)
	if err != nil || root.CurrentTime == nil {
		return time.Time{}, false
	}
	return *root.CurrentTime, true
}

// judgeClock warns of a directory that is well, but whose clock is not ours.
func (r *ldapsRun) judgeClock(a *attempt, root *directory.RootDSE) {
	if root == nil || root.ClockAheadMS == nil {
		return
	}
	if apart := clockApart(root.Read, time.Duration(*root.ClockAheadMS)*time.Millisecond); apart != nil {
		a.warning = apart
	}
}
