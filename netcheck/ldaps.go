package netcheck

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"

	"sallyport/check"
	"sallyport/tlsprobe"
)

// LDAPSTarget is a directory to check: TLS, bind, search.
type LDAPSTarget struct {
	Host         string          // a name, or an IP address
	Port         uint16          //
	ServerName   string          // whom the server must prove to be, also sent as SNI; Host when empty
	Roots        *tlsprobe.Roots // the trusted authorities; nil trusts none
	BindDN       string          // empty: anonymous
	PasswordFile string          // read at each run, at most 4 KiB, without one line end after the password
	BaseDN       string          // empty: the rootDSE alone is read
	Filter       string          // empty: (objectClass=*)
	MinEntries   int             // fewer entries below BaseDN are a failure
	Warn, Fail   time.Duration   // how long before a certificate's end the check warns, fails; zero never does

	// Refused remembers passwords that a directory has refused; give one value to all checks that use the same account.
	// Nil means one of the check's own, which lives as long as the check.
	Refused *RefusedSecrets
}

// LDAPS is the run of a check of the kind ldaps. Each address of the directory is connected to and shaken hands with as
// by TLS; then the user is bound, the rootDSE read, and the entries below the base are counted up to one more than
// MinEntries. The evidence is an LDAPSEvidence.
//
// A wrong password is tried once: binds of one user go one after the other, the first refusal (resultCode 49) ends them
// for the run, and where it may be the password that is wrong, no later run tries that password again. Such a run fails
// with ldap.not-retried until the content of the password file changes. So that one silent address does not keep the
// turn from the others, a bind gets at most half of the time that is left to its address.
func LDAPS(target LDAPSTarget) func(context.Context) check.Result {
	target.Filter = cmp.Or(target.Filter, "(objectClass=*)")
	if target.Refused == nil {
		target.Refused = new(RefusedSecrets)
	}
	return func(ctx context.Context) check.Result {
		if err := validFilter(target.Filter); err != nil {
			return check.Result{Status: check.Unknown, Cause: check.Internal, Remedy: "Correct the filter of this check.",
				Detail: fmt.Sprintf("the filter %s cannot be sent: %s", cleanText(target.Filter, maxLDAPText),
					cleanText(err.Error(), maxLDAPText))}
		}
		return newLDAPSRun(target).result(ctx)
	}
}

// String is the target as an operator writes it: host:port.
func (t LDAPSTarget) String() string { return net.JoinHostPort(t.Host, strconv.Itoa(int(t.Port))) }

// limit is how many entries a search is to find at most: one more than it must, to show that there are more.
func (t LDAPSTarget) limit() int { return max(t.MinEntries, 0) + 1 }

// ldapsRun is one run.
type ldapsRun struct {
	LDAPSTarget
	secret    string
	secretErr error

	refusedNow string // the address that refused the user in this run; guarded by the user's turn

	mu      sync.Mutex
	servers map[string]*LDAPServerEvidence // by address
}

func newLDAPSRun(target LDAPSTarget) *ldapsRun {
	return &ldapsRun{LDAPSTarget: target, servers: map[string]*LDAPServerEvidence{}}
}

func (r *ldapsRun) result(ctx context.Context) check.Result {
	options := r.prepare()
	tls := TLSTarget{Host: r.Host, Port: r.Port, ServerName: r.ServerName, Roots: r.Roots, Warn: r.Warn, Fail: r.Fail}
	attempts, err := tls.reach(ctx, options, r.use)
	if err != nil {
		result := unresolved(err, r.String())
		result.Evidence = r.evidence(nil)
		return result
	}
	return r.judge(attempts)
}

// prepare reads the password, once for all addresses.
func (r *ldapsRun) prepare() tlsprobe.Options {
	options := tlsprobe.Options{}
	if r.BindDN != "" {
		r.secret, r.secretErr = readSecret(r.PasswordFile)
		if _, held := r.Refused.find(r.BindDN, r.secret); held || r.secretErr != nil {
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
		result.Detail = r.describe(attempts)
	}
	result.Remedy = r.remedy(result.Cause)
	return result
}

// use binds and searches over a verified connection.
func (r *ldapsRun) use(ctx context.Context, a *attempt) error {
	seen := r.server(a)
	if r.secretErr != nil {
		return a.timed(phaseBind, func() error { return r.withoutSecret() })
	}
	session := openLDAP(ctx, a, r.limit(), r.BindDN == "")
	defer session.close()
	if err := r.bind(ctx, a, session, seen); err != nil || a.skipped != "" {
		return err
	}
	return a.timed(phaseSearch, func() error { return r.search(ctx, session, seen) })
}

func (r *ldapsRun) withoutSecret() error {
	return &LDAPError{Cause: check.LDAPInvalidCredentials, Operation: phaseBind, Code: -1, Err: r.secretErr,
		Detail: "not tried: " + cleanText(r.secretErr.Error(), maxLDAPText)}
}

// bind binds the user when it is this address's turn, unless the password has been refused before.
func (r *ldapsRun) bind(ctx context.Context, a *attempt, session *ldapSession, seen *LDAPServerEvidence) error {
	if r.BindDN == "" {
		return a.timed(phaseBind, func() error {
			err := session.bind(ctx, "", "")
			seen.noteBind(err)
			return err
		})
	}
	turn := r.Refused.turn(r.BindDN)
	select {
	case turn <- struct{}{}:
		defer func() { <-turn }()
	case <-ctx.Done():
		return a.timed(phaseBind, func() error { return noTurn(ctx) })
	}
	if r.refusedNow != "" {
		a.skipped = "not bound: " + r.refusedNow + " has just refused the user"
		return nil
	}
	return a.timed(phaseBind, func() error { return r.bindOnce(ctx, a, session, seen) })
}

func noTurn(ctx context.Context) error {
	e := &LDAPError{Operation: phaseBind, Code: -1, Err: ctx.Err()}
	if !errors.Is(ctx.Err(), context.Canceled) {
		e.Cause, e.Detail = check.LDAPTimeout, "not tried in time: the bind at another address took too long"
	}
	return e
}

// bindOnce sends the password, and remembers when it is refused. It must be called in the user's turn.
func (r *ldapsRun) bindOnce(ctx context.Context, a *attempt, session *ldapSession, seen *LDAPServerEvidence) error {
	if before, ok := r.Refused.find(r.BindDN, r.secret); ok {
		return &LDAPError{Cause: check.LDAPNotRetried, Operation: phaseBind, Code: -1, Detail: fmt.Sprintf(
			"held back, so as not to lock the account: %s refused this password (%s) at %s", before.by, before.cause,
			before.since.UTC().Format(time.RFC3339))}
	}
	part, cancel := context.WithTimeout(ctx, share(ctx, 1, 2))
	defer cancel()
	err := session.bind(part, r.BindDN, r.secret)
	seen.noteBind(err)
	refused, ok := errors.AsType[*LDAPError](err)
	if !ok || refused.Code != resultInvalidCredentials {
		return err
	}
	r.refusedNow = a.address.String()
	if refused.blamesSecret() {
		r.Refused.add(r.BindDN, r.secret, refusal{since: time.Now(), cause: refused.Cause, by: r.refusedNow})
	}
	return err
}

// search reads the rootDSE, and counts what is below the base. A directory that does not show its rootDSE is let be,
// unless that is all that was asked for.
func (r *ldapsRun) search(ctx context.Context, session *ldapSession, seen *LDAPServerEvidence) error {
	root, err := session.rootDSE(ctx)
	seen.RootDSE = root
	if told, ok := errors.AsType[*LDAPError](err); err != nil && (r.BaseDN == "" || !ok || told.Code < 0) {
		return err
	}
	if r.BaseDN == "" {
		return nil
	}
	got, err := session.search(ctx, r.BaseDN, r.Filter, r.limit())
	seen.Entries, seen.More, seen.References = got.entries, got.more, got.references
	if got.code >= 0 {
		seen.SearchResult = &got.code
	}
	if told, ok := errors.AsType[*LDAPError](err); ok && told.Cause == check.LDAPSizeLimit && got.entries >= r.MinEntries {
		return nil // cut off by the directory, but at no fewer than there must be
	}
	if err == nil && got.entries < r.MinEntries {
		return &LDAPError{Cause: check.LDAPTooFewEntries, Operation: phaseSearch, Code: got.code, Detail: fmt.Sprintf(
			"%d entries below %s, fewer than %d", got.entries, cleanText(r.BaseDN, maxLDAPText), r.MinEntries)}
	}
	return err
}

// server is the evidence of one address. Each is filled in by one goroutine.
func (r *ldapsRun) server(a *attempt) *LDAPServerEvidence {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := &LDAPServerEvidence{Address: a.address.String()}
	r.servers[e.Address] = e
	return e
}

func (e *LDAPServerEvidence) noteBind(err error) {
	code := 0
	if told, ok := errors.AsType[*LDAPError](err); ok {
		code, e.BindData = told.Code, told.Data
	} else if err != nil {
		code = -1
	}
	if code >= 0 {
		e.BindResult = &code
	}
}

func (r *ldapsRun) evidence(attempts []attempt) LDAPSEvidence {
	e := LDAPSEvidence{BindDN: cleanText(r.BindDN, maxLDAPText), BaseDN: cleanText(r.BaseDN, maxLDAPText),
		MinEntries: r.MinEntries, TLS: newTLSEvidence(attempts)}
	if r.BaseDN != "" {
		e.Filter = cleanText(r.Filter, maxLDAPText)
	}
	for i := range attempts {
		if s := r.servers[attempts[i].address.String()]; s != nil {
			e.Servers = append(e.Servers, *s)
		}
	}
	return e
}

// describe says in one sentence what is well.
func (r *ldapsRun) describe(attempts []attempt) string {
	who := "anonymous"
	if r.BindDN != "" {
		who = cleanText(r.BindDN, maxLDAPText)
	}
	text := "bound as " + who
	if r.BaseDN != "" {
		text += ", " + r.counted(attempts) + " below " + cleanText(r.BaseDN, maxLDAPText)
	}
	return text + "; " + describe(attempts)
}

func (r *ldapsRun) counted(attempts []attempt) string {
	at := slices.IndexFunc(attempts, func(a attempt) bool { return a.skipped == "" && r.servers[a.address.String()] != nil })
	if at < 0 {
		return "entries"
	}
	s := r.servers[attempts[at].address.String()]
	switch {
	case s.More:
		return fmt.Sprintf("more than %d entries", s.Entries-1)
	case s.Entries == 1:
		return "1 entry"
	default:
		return fmt.Sprintf("%d entries", s.Entries)
	}
}
