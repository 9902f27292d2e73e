package netcheck

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"

	"sallyport/check"
	"sallyport/netcheck/directory"
	"sallyport/netcheck/resolver"
	"sallyport/tlsprobe"
)

// LDAPSTarget is a directory to check: TLS, bind, search.
type LDAPSTarget struct {
	Server
	StartTLS        bool   // TLS begins by the operation of that name (RFC 4511 section 4.14), on the port of ldap
	SASLExternal    bool   // the client certificate binds (RFC 4513 section 5.2.3), and BindDN is empty
	BindDN          string // empty: anonymous
	PasswordFile    string // read at each run, at most 4 KiB, without one line end after the password
	BaseDN          string // empty: the rootDSE alone is read
	Filter          string // empty: (objectClass=*)
	MinEntries      int    // fewer entries below BaseDN are a failure
	MaxEntries      int    // more are too; 0: any number
	PageSize        int    // entries of a page (RFC 2696), where so many are counted that pages are needed; 0: no pages
	FollowReferrals bool   // to other servers of ldaps://; the password goes to none outside the directory's domain
	Discover        string // the domain whose servers DNS names, in place of Host; empty: Host is the server
	Paged           bool   // pages of PageSize are asked for at any rate, and a directory without them fails

	// Directories are all at which the configuration has the user: what one has refused is held back from all of them,
	// and tried again when they change. Empty means this one.
	Directories []string
	// Refused remembers passwords that a directory has refused; give one value to all checks that use the same account.
	// Nil means one of the check's own, which lives as long as the check.
	Refused *RefusedSecrets

	resolvers []resolver.Server // asked for the domain's servers; none: those of resolv.conf
}

// LDAPS is the run of a check of the kind ldaps. Each address of the directory is connected to and shaken hands with as
// by TLS; then the user is bound, the rootDSE read, where that was not done some minutes ago, and the entries below the
// base are counted up to one more than decides. The evidence is an LDAPSEvidence.
//
// A wrong password is tried once: binds of one user go one after the other, the first refusal (resultCode 49) ends them
// for the run, and where it may be the password that is wrong, no later run tries that password again. Such a run fails
// with ldap.not-retried until the content of the password file changes, the user or the directories do, or an operator
// releases it. A password that has never succeeded and whose bind is not answered is not sent to that address again for
// half an hour. So that one silent address does not keep the turn from the others, a bind gets at most half of the time
// that is left to its address.
func LDAPS(target LDAPSTarget) func(context.Context) check.Result {
	target.Filter = cmp.Or(target.Filter, "(objectClass=*)")
	if target.Refused == nil {
		target.Refused = new(RefusedSecrets)
	}
	if len(target.Directories) == 0 {
		target.Directories = []string{target.String()}
	}
	target.Server = target.remembering()
	if target.StartTLS {
		target.before = []step{{phaseStartTLS, directory.StartTLS}}
	}
	target.clock, target.ldaps = directoryClock, !target.StartTLS
	memory := new(directories)
	filter, wrong := directory.NewFilter(target.Filter)
	return func(ctx context.Context) check.Result {
		if wrong != nil {
			return check.Result{Status: check.Unknown, Cause: check.Internal,
				Detail: fmt.Sprintf("the filter %s cannot be sent: %v", cleanText(target.Filter, maxLDAPText), wrong),
				Remedy: "Correct the filter of this check."}
		}
		return newLDAPSRun(target, filter, memory).result(ctx)
	}
}

// ldapsRun is one run.
type ldapsRun struct {
	LDAPSTarget
	filter    directory.Filter
	memory    *directories
	account   *account
	place     string // of the directories, as the account has it
	secret    secret
	secretErr error

	refusedNow string // the address that refused the user in this run; guarded by the user's turn

	mu      sync.Mutex
	servers map[netip.AddrPort]*LDAPServerEvidence

	discovered []string // host:port of the domain's servers
}

func newLDAPSRun(target LDAPSTarget, filter directory.Filter, memory *directories) *ldapsRun {
	return &ldapsRun{LDAPSTarget: target, filter: filter, memory: memory, servers: map[netip.AddrPort]*LDAPServerEvidence{},
		account: target.Refused.of(target.BindDN), place: placeOf(target.Directories)}
}

func (r *ldapsRun) result(ctx context.Context) check.Result {
	options := r.prepare()
	attempts, err := r.reachAll(ctx, options)
	if err != nil {
		result := unresolved(err, r.String())
		if result.Cause.Layer() == check.LayerLDAP {
			result.Remedy = r.remedy(result.Cause)
		}
		evidence := r.evidence(nil)
		evidence.Resolver = resolverOf(err)
		result.Evidence = evidence
		return result
	}
	return r.judge(attempts)
}

// prepare reads the password, once for all addresses.
func (r *ldapsRun) prepare() tlsprobe.Options {
	options := tlsprobe.Options{}
	if r.BindDN != "" {
		r.secret, r.secretErr = readSecret(r.PasswordFile)
		if r.secretErr != nil || r.account.holds(r.place, r.secret) {
			options.AwaitAlert = alertWait // nothing will be read above TLS
		}
	}
	return options
}

// judge is the result of what was seen at each address.
func (r *ldapsRun) judge(attempts []attempt) check.Result {
	endpoints := endpointsOf(attempts)
	for i := range attempts {
		if endpoints[i].Status == check.Skipped && attempts[i].conn != nil {
			endpoints[i].Cause = check.LDAPNotRetried
		}
	}
	result := overall(endpoints)
	result.Evidence = r.evidence(attempts)
	if result.Status == check.OK {
		result.Detail = r.describe(attempts) + javaNews(attempts)
	}
	result.Remedy = cmp.Or(remedyJava(result.Cause, attempts, r.Roots), r.mend(result.Cause, attempts))
	r.shown.noteChange(&result, attempts, r.String())
	return result
}

// use binds and searches over a verified connection.
func (r *ldapsRun) use(ctx context.Context, a *attempt) error {
	seen := r.server(a)
	if r.secretErr != nil {
		return a.timed(phaseBind, func() error { return r.withoutSecret() })
	}
	session := directory.Open(ctx, a.conn)
	defer session.Close()
	err := r.bind(ctx, a, session, seen)
	if err == nil && a.skipped == "" {
		err = a.timed(phaseSearch, func() error { return r.search(ctx, a, session, seen) })
	}
	return a.beneath(ctx, session, err)
}

// beneath blames the layer of TLS where it is its alert that ended the session: a TLS 1.3 server refuses a client without
// a certificate only after the handshake.
func (a *attempt) beneath(ctx context.Context, session *directory.Session, err error) error {
	told, ok := errors.AsType[*directory.Error](err)
	if !ok || told.Err == nil || session.Received() > 0 {
		return err
	}
	if refused, ok := errors.AsType[*tlsprobe.HandshakeError](a.afterHandshake(ctx, told.Err)); ok {
		return refused
	}
	return err
}

// describe says in one sentence what is well.
func (r *ldapsRun) describe(attempts []attempt) string {
	text := "bound as " + r.boundAs(attempts)
	if r.BaseDN != "" {
		text += ", " + r.counted(attempts) + " below " + cleanText(r.BaseDN, maxLDAPText)
	}
	return text + "; " + describe(attempts)
}

// boundAs is who the directory took this host for.
func (r *ldapsRun) boundAs(attempts []attempt) string {
	switch {
	case r.BindDN != "":
		return cleanText(r.BindDN, maxLDAPText)
	case !r.SASLExternal:
		return "anonymous"
	}
	for i := range attempts {
		if s := r.servers[attempts[i].address]; s != nil && s.Identity != "" {
			return s.Identity
		}
	}
	return "the client certificate says"
}

func (r *ldapsRun) counted(attempts []attempt) string {
	at := slices.IndexFunc(attempts, func(a attempt) bool {
		return a.skipped == "" && r.servers[a.address] != nil
	})
	if at < 0 {
		return "entries"
	}
	s := r.servers[attempts[at].address]
	switch {
	case s.More && s.Entries == 2:
		return "more than 1 entry"
	case s.More:
		return fmt.Sprintf("more than %d entries", s.Entries-1)
	case s.Entries == 1:
		return "1 entry"
	default:
		return fmt.Sprintf("%d entries", s.Entries)
	}
}
