package directory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// judge says whether a message answers the request that waits. The error says that the session is over.
func (w *wire) judge(r response) (ours bool, err error) {
	if r.id == 0 {
		return false, r.notice()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case r.id != w.sent || !w.awaited:
		w.strays++
		return false, nil
	case !slices.Contains(w.answers, r.op.Tag):
		return false, &notLDAP{fmt.Errorf("operation %d is no response to it", r.op.Tag)}
	}
	switch r.op.Tag {
	case ldap.ApplicationSearchResultEntry:
		w.parts++
	case ldap.ApplicationSearchResultReference:
		w.parts++
		if len(w.links) < maxReferences {
			w.links = append(w.links, preferred(linksOf(r.op))...)
		}
	default:
		w.awaited = false
	}
	return true, nil
}

// references are the addresses of the other servers that the search was referred to.
func (w *wire) references() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.links)
}

// whole says whether an answer has ended of which so many entries and references have come through the library.
func (w *wire) whole(parts int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.awaited && w.parts == parts
}

// failed explains an operation that the library did not bring to its result, by what the connection said first.
func (w *wire) failed(ctx context.Context, operation string, err error) error {
	w.mu.Lock()
	first, strayed := earlier(w.broken, w.unsent), w.strays > 0
	w.mu.Unlock()
	deadline, ok := ctx.Deadline()
	switch {
	case first != nil:
		err = first
	case ctx.Err() != nil:
		err = ctx.Err()
	case ok && !time.Now().Before(deadline): // nobody but the library has noticed yet
		err = context.DeadlineExceeded
	}
	if end, ok := errors.AsType[*disconnected](err); ok {
		return end.explain(operation)
	}
	return broken(ctx, operation, strayed, err)
}
