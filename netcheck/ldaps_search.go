package netcheck

import (
	"context"
	"errors"
	"fmt"

	"sallyport/check"
	"sallyport/netcheck/directory"
)

// search reads the rootDSE, and counts what is below the base. A directory that does not show its rootDSE is let be,
// unless that is all that was asked for.
func (r *ldapsRun) search(ctx context.Context, session *directory.Session, seen *LDAPServerEvidence) error {
	root, err := session.RootDSE(ctx)
	seen.RootDSE = root
	if told, ok := errors.AsType[*directory.Error](err); err != nil && (r.BaseDN == "" || !ok || told.Code < 0) {
		return err
	}
	if r.BaseDN == "" {
		return nil
	}
	got, err := session.Search(ctx, directory.Search{Base: r.BaseDN, Filter: r.filter, Limit: r.limit()})
	seen.note(got)
	if told, ok := errors.AsType[*directory.Error](err); ok && len(told.Referrals) > 0 {
		seen.Links = told.Referrals
	}
	if got.More && got.Entries >= r.MinEntries {
		return nil // cut off by the directory's own limit, but at no fewer than there must be
	}
	if err == nil && got.Entries < r.MinEntries {
		return &directory.Error{Cause: check.LDAPTooFewEntries, Operation: directory.OpSearch, Code: got.Code,
			Detail: fmt.Sprintf("%d entries below %s, fewer than %d", got.Entries, cleanText(r.BaseDN, maxLDAPText),
				r.MinEntries)}
	}
	return err
}
