package netcheck

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"golang.org/x/net/publicsuffix"

	"sallyport/check"
	"sallyport/netcheck/directory"
	"sallyport/tlsprobe"
)

// Bounds on how far referrals are followed.
const (
	maxHops    = 3 // from the directory that was asked first
	maxServers = 4 // besides it
)

// LDAPSReferral is a referral, or a search reference, that was followed, or why it was not. Text in it is escaped.
type LDAPSReferral struct {
	URL     string      `json:"url"`
	Bound   bool        `json:"bound"`             // as the user, not anonymously
	Entries int         `json:"entries"`           // that were counted there
	Cause   check.Cause `json:"cause,omitempty"`   // of its failure
	Skipped string      `json:"skipped,omitempty"` // why it was not followed
}

// following is a search that goes on at other servers. It is for one goroutine.
type following struct {
	run     *ldapsRun
	total   directory.Found
	trail   []LDAPSReferral
	visited map[string]bool
	servers int
}

// follow has a search go on where the directory refers to, and adds up what is found.
func (r *ldapsRun) follow(
	ctx context.Context, got directory.Found, err error, seen *LDAPServerEvidence,
) (directory.Found, error) {
	f := &following{run: r, total: got, visited: map[string]bool{}}
	if err != nil {
		err = f.instead(ctx, err, 1)
	} else {
		err = f.all(ctx, got.Links, 1)
	}
	seen.Followed, seen.Entries, seen.More, seen.References = f.trail, f.total.Entries, f.total.More, f.total.References
	return f.total, err
}

// instead follows a referral, which names the server to ask in place of the one that was asked: any of its addresses will
// do (RFC 4511 section 4.1.10). Another error is handed on.
func (f *following) instead(ctx context.Context, err error, hop int) error {
	told, ok := errors.AsType[*directory.Error](err)
	if !ok || told.Cause != check.LDAPReferral {
		return err
	}
	for _, link := range told.Referrals {
		followed, failed := f.one(ctx, link, hop)
		if followed && failed == nil {
			return nil
		}
		if followed {
			err = failed
		}
	}
	return err
}

// all follows search references, each of which stands for a part of the tree that is elsewhere, until there are enough
// entries.
func (f *following) all(ctx context.Context, links []string, hop int) error {
	for _, link := range links {
		if f.total.Entries >= f.run.limit() {
			return nil
		}
		if _, err := f.one(ctx, link, hop); err != nil {
			return err
		}
	}
	return nil
}

// one follows one address, unless it must not be.
func (f *following) one(ctx context.Context, link string, hop int) (followed bool, err error) {
	at, err := directory.ParseLink(link)
	noted := LDAPSReferral{URL: link}
	switch {
	case err != nil:
		noted.Skipped = err.Error()
	case f.visited[link]:
		return false, nil
	case hop > maxHops:
		noted.Skipped = fmt.Sprintf("more than %d hops away", maxHops)
	case f.servers >= maxServers:
		noted.Skipped = fmt.Sprintf("more than %d servers", maxServers)
	}
	if noted.Skipped != "" {
		if !slices.ContainsFunc(f.trail, func(before LDAPSReferral) bool { return before.URL == link }) {
			f.trail = append(f.trail, noted)
		}
		return false, nil
	}
	f.visited[link] = true
	f.servers++
	noted.Bound = (f.run.BindDN != "" || f.run.SASLExternal) && f.run.trusts(at.Host)
	got, err := f.run.searchAt(ctx, at, noted.Bound, f.run.limit()-f.total.Entries)
	noted.Entries = got.Entries
	if noted.Cause, _ = Classify(err); noted.Cause == check.LDAPReferral {
		noted.Cause = ""
	}
	f.trail = append(f.trail, noted)
	return true, f.add(ctx, link, got, err, hop)
}

// add adds what was found at another server, and goes on from there.
func (f *following) add(ctx context.Context, link string, got directory.Found, err error, hop int) error {
	f.total.Entries += got.Entries
	f.total.References += got.References
	f.total.Pages += got.Pages
	f.total.More = f.total.More || got.More
	f.total.Code = got.Code
	if err == nil {
		return f.all(ctx, got.Links, hop+1)
	}
	if err = f.instead(ctx, err, hop+1); err == nil || isLimited(err) {
		return err
	}
	if _, ok := errors.AsType[*opinion](err); ok {
		return err // of a server further away
	}
	cause, detail := Classify(err)
	if cause == "" {
		return err
	}
	// Without the error: its phase is none of the directory that was asked first.
	return &opinion{cause: cause, words: "at " + link + ", to which the directory refers: " + detail}
}

// trusts says whether a host is of the domain of the check's directory, so that it may have the user's password.
func (t LDAPSTarget) trusts(host string) bool {
	host, own := plainHost(host), plainHost(t.Host)
	if host == own {
		return true
	}
	domain := cmp.Or(plainHost(t.Discover), domainOf(own))
	return domain != "" && !isAddress(host) && (host == domain || strings.HasSuffix(host, "."+domain))
}

// plainHost is one form for the spellings of a host.
func plainHost(host string) string { return strings.ToLower(strings.TrimSuffix(host, ".")) }

// domainOf is the domain that a host stands in, where it is one that somebody owns: not that of all hosts below com or
// co.uk (publicsuffix.org), nor that of an address.
func domainOf(host string) string {
	_, domain, _ := strings.Cut(host, ".")
	if _, err := publicsuffix.EffectiveTLDPlusOne(domain); err != nil || isAddress(host) {
		return ""
	}
	return domain
}

// counted is what one address of another server answered.
type counted struct {
	got directory.Found
	err error
}

// searchAt counts the entries at another server. Each of its addresses is asked; the first that answers counts.
func (r *ldapsRun) searchAt(ctx context.Context, at directory.Link, bound bool, limit int) (directory.Found, error) {
	there := r.elsewhere(at, bound)
	var mu sync.Mutex
	var best *counted
	attempts, err := there.reach(ctx, tlsprobe.Options{}, func(ctx context.Context, a *attempt) error {
		session := directory.Open(ctx, a.conn)
		defer session.Close()
		if err := there.bind(ctx, a, session, new(LDAPServerEvidence)); err != nil || a.skipped != "" {
			return a.beneath(ctx, session, err)
		}
		got, err := session.Search(ctx, directory.Search{Base: there.BaseDN, Filter: there.filter, Limit: limit,
			PageSize: there.PageSize})
		mu.Lock()
		defer mu.Unlock()
		if best == nil || best.err != nil && err == nil {
			best = &counted{got, err}
		}
		return err
	})
	switch {
	case best != nil:
		return best.got, best.err
	case err == nil:
		err = attempts[0].err
	}
	return directory.Found{Code: directory.CodeNone}, err
}

// elsewhere is the run at another server.
func (r *ldapsRun) elsewhere(at directory.Link, bound bool) *ldapsRun {
	target, filter := r.LDAPSTarget, r.filter
	target.Host, target.Port, target.ServerName, target.before, target.clock = at.Host, at.Port, "", nil, nil
	target.shown = nil
	target.BaseDN = cmp.Or(at.Base, r.BaseDN)
	if !at.Filter.IsZero() {
		filter = at.Filter
	}
	if !bound {
		target.BindDN, target.SASLExternal, target.ClientCertificate = "", false, ClientCertificate{}
	}
	run := newLDAPSRun(target, filter, r.memory)
	run.secret = r.secret
	return run
}
