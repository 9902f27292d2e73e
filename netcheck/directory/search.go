package directory

import (
	"context"
	"errors"
	"strings"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
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

// ahead is how many entries the library may read before they are counted.
const ahead = 8

// counting is a search under way.
type counting struct {
	Search
	Found
	session *Session
	page    int    // entries of this page
	asked   int    // for it
	cookie  []byte // of the next page
	pageEnd bool   // the directory has paged
	cut     bool   // it went on beyond the limit
}

// Search counts entries. Only some that are read ahead are held in memory. What was found is there with an error too.
func (s *Session) Search(ctx context.Context, what Search) (Found, error) {
	c := counting{Search: what, Found: Found{Code: CodeNone}, session: s}
	s.wire.allow(what.Limit)
	for {
		done, err := c.next(ctx)
		if err != nil || done {
			c.Links = s.wire.references()
			return c.Found, err
		}
	}
}

// next asks for a page, or for everything, and counts what comes. It is done when there is no other page to ask for. The
// number of pages is bounded by the octets that the directory may send.
func (c *counting) next(ctx context.Context) (done bool, err error) {
	end, err := c.session.do(ctx, OpSearch, func() error { return c.read(ctx) }, searchAnswers()...)
	if err != nil {
		return true, err
	}
	if c.cut {
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
		return true, refused(OpSearch, end, c.session.anonymous)
	case c.PageSize > 0 && refusesPages(end):
		e := refused(OpSearch, end, c.session.anonymous)
		e.Cause = check.LDAPNoPaging
		return true, e
	case end.code != 0:
		return true, refused(OpSearch, end, c.session.anonymous)
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

// request is the search for what is still wanted. With pages the limit of the size is the page's: a directory would pass
// over the control where the limit were not larger (RFC 2696 section 3).
func (c *counting) request(ctx context.Context) *ldap.SearchRequest {
	left := c.Limit - c.Entries
	request := &ldap.SearchRequest{BaseDN: c.Base, Scope: ldap.ScopeWholeSubtree, SizeLimit: left,
		TimeLimit: wholeSeconds(ctx), Filter: c.Filter.text, Attributes: []string{noAttributes}}
	if c.PageSize == 0 {
		return request
	}
	c.asked = min(c.PageSize, left)
	request.SizeLimit = 0
	request.Controls = []ldap.Control{&paging{critical: c.Paged, ControlPaging: ldap.ControlPaging{
		PagingSize: uint32(c.asked), Cookie: c.cookie}}}
	c.page, c.pageEnd, c.cookie = 0, false, nil
	return request
}

// read asks, and counts what comes until the end of the search, or until the directory goes on beyond the limit.
func (c *counting) read(ctx context.Context) error {
	request := c.request(ctx)
	ctx, stop := context.WithCancel(ctx)
	defer stop() // it lets go of what is not read
	came := 0
	response := c.session.conn.SearchAsync(ctx, request, ahead)
	for response.Next() {
		switch {
		case response.Entry() != nil:
			came++
			c.page++
			if c.Entries++; c.Entries > c.Limit {
				c.Entries, c.cut = c.Limit, true
				return nil
			}
		case len(response.Controls()) > 0:
			c.turn(response.Controls())
		default:
			came++
			c.References++
		}
	}
	if err := response.Err(); err != nil {
		return err
	}
	if !c.session.wire.whole(came) { // the library leaves without a word when it is closed, and when it panicked
		return errEnd
	}
	return nil
}

var errEnd = errors.New("the search has no end")

// turn reads the end of a page.
func (c *counting) turn(controls []ldap.Control) {
	cookie, ok := nextPage(controls)
	if !ok || c.PageSize == 0 {
		return
	}
	c.cookie, c.pageEnd = cookie, true
	c.Pages++
	if len(cookie) > 0 && c.page < c.asked {
		c.PageLimit = max(c.PageLimit, c.page)
	}
}

// searchAnswers are the operations that answer a search (RFC 4511 section 4.5.2).
func searchAnswers() []ber.Tag {
	return []ber.Tag{ldap.ApplicationSearchResultEntry, ldap.ApplicationSearchResultReference,
		ldap.ApplicationSearchResultDone}
}

// wholeSeconds is the time limit for the directory: what ctx leaves, rounded up, for zero means none.
func wholeSeconds(ctx context.Context) int {
	deadline, ok := ctx.Deadline()
	if !ok {
		return 0
	}
	return int(max(time.Until(deadline), 0)/time.Second) + 1
}
