package directory

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"sallyport/check"
)

// Search is what is counted: the entries of the subtree below Base that pass the filter.
type Search struct {
	Base     string
	Filter   Filter
	Limit    int  // the directory is asked to stop there, and cut off if it does not
	PageSize int  // entries of a page (RFC 2696); 0 asks for no pages
	Paged    bool // a directory that does not page is an error, ldap.no-paging
}

// Found is what a search found, as far as it went.
type Found struct {
	Entries    int
	More       bool     // there are more entries than were counted
	References int      // to other servers
	Links      []string // an address of each, escaped, of ldaps:// if it has one; of at most 8
	Pages      int      // that came; 0 where none were asked for, or the directory does not page
	PageLimit  int      // entries to which the directory cuts pages that are to have more; 0 where it does not
	Code       int      // LDAP result code; CodeNone when the search was cut off at our own bound
}

// counting is a search under way.
type counting struct {
	Search
	Found
	session *Session
	page    int    // entries of this page
	asked   int    // for it
	cookie  []byte // of the next page
	pageEnd bool   // the directory has paged
}

// Search counts entries. Only the one message that is read is held in memory. What was found is there with an error too.
func (s *Session) Search(ctx context.Context, what Search) (Found, error) {
	c := counting{Search: what, Found: Found{Code: CodeNone}, session: s}
	s.wire.allow(what.Limit)
	for {
		done, err := c.next(ctx)
		if err != nil || done {
			return c.Found, err
		}
	}
}

// next asks for a page, or for everything, and counts what comes. It is done when there is no other page to ask for. The
// number of pages is bounded by the octets that the directory may send.
func (c *counting) next(ctx context.Context) (done bool, err error) {
	id, err := c.request(ctx)
	if err != nil {
		return true, c.session.failed(ctx, OpSearch, err)
	}
	end, err := c.read(id)
	if err != nil {
		return true, c.session.failed(ctx, OpSearch, err)
	}
	if end == nil { // cut off
		c.More = true
		return true, nil
	}
	c.Code = end.code
	switch {
	case end.code == ldap.LDAPResultSizeLimitExceeded:
		c.More = true
		if c.Entries >= c.Limit {
			return true, nil // the limit that was met is our own
		}
		return true, refused(OpSearch, *end, c.session.anonymous)
	case c.PageSize > 0 && refusesPages(*end):
		e := refused(OpSearch, *end, c.session.anonymous)
		e.Cause = check.LDAPNoPaging
		return true, e
	case end.code != 0:
		return true, refused(OpSearch, *end, c.session.anonymous)
	case c.Paged && !c.pageEnd:
		return true, &Error{Cause: check.LDAPNoPaging, Operation: OpSearch, Code: end.code,
			Detail: "the directory passes over the paged results control: it answers without pages"}
	}
	c.More = len(c.cookie) > 0
	return !c.More || c.Entries >= c.Limit, nil
}

// refusesPages says that the directory does not do pages, or not for this user: OpenLDAP has adminLimitExceeded for that,
// and tells it apart in words.
func refusesPages(end result) bool {
	return end.code == ldap.LDAPResultUnavailableCriticalExtension ||
		end.code == ldap.LDAPResultAdminLimitExceeded && strings.Contains(end.message, "pagedResults control not allowed")
}

// request sends the search for what is still wanted. With pages the limit of the size is the page's: a directory would
// pass over the control where the limit were not larger (RFC 2696 section 3).
func (c *counting) request(ctx context.Context) (id int, err error) {
	left := c.Limit - c.Entries
	if c.PageSize == 0 {
		return c.session.send(ctx, searchRequest(c.Base, scopeSubtree, left, wholeSeconds(ctx), c.Filter, noAttributes))
	}
	c.asked = min(c.PageSize, left)
	control := pageControl(c.asked, c.cookie, c.Paged)
	c.page, c.pageEnd, c.cookie = 0, false, nil
	return c.session.send(ctx, searchRequest(c.Base, scopeSubtree, 0, wholeSeconds(ctx), c.Filter, noAttributes), control)
}

// read counts what comes until the end of the search. There is none where the directory goes on beyond the limit.
func (c *counting) read(id int) (*result, error) {
	for {
		r, err := c.session.await(id)
		if err != nil {
			return nil, err
		}
		switch r.op {
		case opSearchEntry:
			if _, err := r.body.take(tagOctets); err != nil {
				return nil, &notLDAP{fmt.Errorf("the name of an entry: %w", err)}
			}
			if _, err := r.body.take(tagSequence); err != nil {
				return nil, &notLDAP{fmt.Errorf("the attributes of an entry: %w", err)}
			}
			c.page++
			if c.Entries++; c.Entries > c.Limit {
				c.Entries = c.Limit
				return nil, nil //nolint:nilnil // cut off: there is no result, and nothing is wrong
			}
		case opSearchReference:
			c.References++
			if len(c.Links) < maxReferences {
				c.Links = append(c.Links, preferred(parseLinks(r.body))...)
			}
		case opSearchDone:
			return c.end(r)
		default:
			return nil, &notLDAP{fmt.Errorf("%#02x is no part of a search", r.op)}
		}
	}
}

// preferred is the one of several addresses that can be followed, or the first; none of none.
func preferred(links []string) []string {
	if at := slices.IndexFunc(links, func(l string) bool { return strings.HasPrefix(l, "ldaps:") }); at >= 0 {
		return links[at : at+1]
	}
	return links[:min(len(links), 1)]
}

// end reads how the search, or one page of it, ended.
func (c *counting) end(r response) (*result, error) {
	told, err := r.parseResult()
	if err != nil {
		return nil, &notLDAP{err}
	}
	if cookie, ok := r.page(); ok && c.PageSize > 0 {
		c.cookie, c.pageEnd = append([]byte(nil), cookie...), true // it is asked with when its room is used again
		c.Pages++
		if len(cookie) > 0 && c.page < c.asked {
			c.PageLimit = max(c.PageLimit, c.page)
		}
	}
	return &told, nil
}

// wholeSeconds is the time limit for the directory: what ctx leaves, rounded up, for zero means none.
func wholeSeconds(ctx context.Context) int {
	deadline, ok := ctx.Deadline()
	if !ok {
		return 0
	}
	return int(max(time.Until(deadline), 0)/time.Second) + 1
}
