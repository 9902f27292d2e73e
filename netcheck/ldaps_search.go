package netcheck

import (
	"context"
	"errors"
	"fmt"

	"sallyport/check"
	"sallyport/netcheck/directory"
)

// limit is how many entries a search is to find at most: one more than it must, or may, to show that there are more.
func (t LDAPSTarget) limit() int { return max(t.MinEntries, t.MaxEntries, 0) + 1 }

// search reads the rootDSE where that is due, and counts what is below the base.
func (r *ldapsRun) search(ctx context.Context, a *attempt, session *directory.Session, seen *LDAPServerEvidence) error {
	root, err := r.rootDSE(ctx, a, session)
	seen.RootDSE = root
	if err != nil {
		return err
	}
	if r.BaseDN != "" {
		got, err := r.count(ctx, session, root)
		seen.note(got, err)
		if r.FollowReferrals {
			got, err = r.follow(ctx, got, err, seen)
		}
		if err = r.judgeCount(got, root, err); err != nil {
			r.memory.forget(a.address)
			return err
		}
	}
	r.judgeClock(a, root)
	return nil
}

// rootDSE is what the directory says of itself, or said not long ago. One that does not show it is let be, unless that is
// all that was asked for.
func (r *ldapsRun) rootDSE(ctx context.Context, a *attempt, session *directory.Session) (*directory.RootDSE, error) {
	if root := r.memory.of(a.address); root != nil && r.BaseDN != "" {
		return root, nil
	}
	root, err := session.RootDSE(ctx)
	if err == nil {
		r.memory.keep(a.address, root)
		return root, nil
	}
	if told, ok := errors.AsType[*directory.Error](err); ok && told.Code >= 0 && r.BaseDN != "" {
		return nil, nil //nolint:nilnil // the directory does not show it, and it is not needed
	}
	return nil, err
}

// count searches, in pages where so many entries are wanted that a directory may not give them at once. Where it gives
// fewer than that, it is asked for pages as well.
func (r *ldapsRun) count(
	ctx context.Context, session *directory.Session, root *directory.RootDSE,
) (directory.Found, error) {
	what := directory.Search{Base: r.BaseDN, Filter: r.filter, Limit: r.limit()}
	pages := r.PageSize > 0 && root != nil && root.Paging
	switch {
	case r.PageSize > 0 && r.Paged:
		what.PageSize, what.Paged = r.PageSize, true
	case pages && what.Limit > r.PageSize:
		what.PageSize = r.PageSize
	}
	got, err := session.Search(ctx, what)
	if pages && what.PageSize == 0 && isLimited(err) && !r.enough(got) {
		what.PageSize = r.PageSize
		return session.Search(ctx, what)
	}
	return got, err
}

// isLimited says that a directory's own limit of entries ended a search.
func isLimited(err error) bool {
	told, ok := errors.AsType[*directory.Error](err)
	return ok && told.Cause == check.LDAPSizeLimit
}

// enough says that what was counted before a limit ended the search decides: there are as many as there must be, and how
// many more does not matter.
func (r *ldapsRun) enough(got directory.Found) bool {
	return got.More && got.Entries >= r.MinEntries && r.MaxEntries == 0
}

// judgeCount judges how many entries there are.
func (r *ldapsRun) judgeCount(got directory.Found, root *directory.RootDSE, err error) error {
	base := cleanText(r.BaseDN, maxLDAPText)
	wrong := &directory.Error{Operation: directory.OpSearch, Code: got.Code, Err: err}
	switch {
	case isLimited(err) && r.enough(got):
		return nil
	case isLimited(err):
		return r.limited(got, root, err)
	case err != nil:
		return err
	case got.Entries < r.MinEntries:
		wrong.Cause = check.LDAPTooFewEntries
		wrong.Detail = fmt.Sprintf("%d entries below %s, fewer than %d", got.Entries, base, r.MinEntries)
		if got.References > 0 && !r.FollowReferrals {
			wrong.Detail += fmt.Sprintf("; %d references to other servers were not followed", got.References)
		}
		return wrong
	case r.MaxEntries > 0 && got.Entries > r.MaxEntries:
		wrong.Cause = check.LDAPSizeLimit
		wrong.Detail = fmt.Sprintf("more entries below %s than max_entries: more than %d", base, r.MaxEntries)
		return wrong
	default:
		return nil
	}
}

// limited blames the directory's limit, or that it has no pages to get around it.
func (r *ldapsRun) limited(got directory.Found, root *directory.RootDSE, err error) error {
	told, _ := errors.AsType[*directory.Error](err)
	wrong := *told
	wrong.Detail += fmt.Sprintf("; %d entries came before the limit", got.Entries)
	switch {
	case r.PageSize == 0:
		wrong.Detail += ", asked for without pages (page_size)"
	case root != nil && !root.Paging:
		wrong.Cause = check.LDAPNoPaging
		wrong.Detail += ", and the directory does not do paged results"
	}
	return &wrong
}
