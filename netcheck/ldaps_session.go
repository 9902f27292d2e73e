package netcheck

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"

	"sallyport/check"
	"sallyport/tlsprobe"
)

const (
	maxLDAPPacket = 1 << 20  // octets of one message; the library's own bound is 2 GiB
	baseBudget    = 64 << 10 // octets that a directory may send for a bind, its rootDSE and the end of a search
	entryBudget   = 2 << 10  // and for each entry that is asked for by its name alone
	maxBudget     = 16 << 20 // and in all
	opRootDSE     = "rootDSE"
	noAttributes  = "1.1" // RFC 4511 section 4.5.1.8

	// libraryGrace is how much later than the connection's deadline the library's own is: only the former leaves an
	// error that tells what happened.
	libraryGrace = 50 * time.Millisecond
)

// The bound is a package variable of the BER library. It is set here, once, while variables are initialised: before
// any goroutine could read it.
var _ = boundPackets()

func boundPackets() struct{} {
	ber.MaxPacketLengthBytes = maxLDAPPacket
	return struct{}{}
}

// ldapSession speaks LDAP over a verified connection. Whatever the directory sends, each operation ends with its
// context, takes in a bounded number of octets, and its error is an *LDAPError or a *tlsprobe.HandshakeError.
type ldapSession struct {
	conn      *ldap.Conn
	wire      *ldapWire
	facts     tlsprobe.Facts
	anonymous bool
	stop      func() bool
}

// openLDAP starts a session for a search of at most entries. Ending ctx ends it; close must be called.
func openLDAP(ctx context.Context, a *attempt, entries int, anonymous bool) *ldapSession {
	wire := &ldapWire{Conn: a.conn, budget: min(baseBudget+int64(entries)*entryBudget, maxBudget)}
	s := &ldapSession{conn: ldap.NewConn(wire, true), wire: wire, facts: a.facts, anonymous: anonymous}
	s.conn.SetTimeout(share(ctx, 1, 1) + libraryGrace)
	s.stop = context.AfterFunc(ctx, func() {
		wire.note(0, os.ErrDeadlineExceeded) // before the peer's answer to our farewell looks as if it had hung up
		_ = a.conn.Close()
	})
	s.conn.Start()
	return s
}

// close takes leave (RFC 4511 section 4.3) and closes the connection.
func (s *ldapSession) close() {
	s.stop()
	_ = s.conn.Unbind() // it closes; a peer that has gone already does not matter any more
	_ = s.conn.Close()
}

// bind authenticates with a DN and a password, or anonymously without a DN.
func (s *ldapSession) bind(ctx context.Context, dn, password string) error {
	return s.do(ctx, phaseBind, func() error {
		_, err := s.conn.SimpleBind(&ldap.SimpleBindRequest{
			Username: dn, Password: password, AllowEmptyPassword: dn == ""})
		return err
	})
}

// rootDSE reads what the directory says of itself (RFC 4512 section 5.1).
func (s *ldapSession) rootDSE(ctx context.Context) (*RootDSE, error) {
	var found *ldap.SearchResult
	err := s.do(ctx, opRootDSE, func() (err error) {
		found, err = s.conn.Search(&ldap.SearchRequest{
			Scope: ldap.ScopeBaseObject, SizeLimit: 2, EnforceSizeLimit: true, TimeLimit: wholeSeconds(ctx),
			Filter: "(objectClass=*)", Attributes: rootDSEAttributes()})
		return err
	})
	if err != nil {
		return nil, err
	}
	if len(found.Entries) != 1 {
		return nil, &LDAPError{Cause: check.LDAPInsufficientAccess, Operation: opRootDSE, Code: 0,
			Detail: "the directory does not show its rootDSE"}
	}
	entry := found.Entries[0]
	return newRootDSE(entry.GetAttributeValues, time.Now()), nil
}

// found is what a search found.
type found struct {
	entries    int
	more       bool // there are more entries than were asked for
	references int  // to other servers
	code       int  // LDAP result code; -1 when the search was cut off at our own bound
}

// search counts the entries below base, up to limit. The directory is asked to stop there, and cut off if it does not.
func (s *ldapSession) search(ctx context.Context, base, filter string, limit int) (found, error) {
	var result *ldap.SearchResult
	err := s.do(ctx, phaseSearch, func() (err error) {
		result, err = s.conn.Search(&ldap.SearchRequest{
			BaseDN: base, Scope: ldap.ScopeWholeSubtree, DerefAliases: ldap.NeverDerefAliases,
			SizeLimit: limit, EnforceSizeLimit: true, TimeLimit: wholeSeconds(ctx),
			Filter: filter, Attributes: []string{noAttributes}})
		if errors.Is(err, ldap.ErrSizeLimitExceeded) {
			result.ResultCode = ldap.LDAPResultSizeLimitExceeded
			return nil
		}
		return err
	})
	if result == nil {
		return found{code: -1}, err
	}
	f := found{entries: len(result.Entries), references: len(result.Referrals), code: int(result.ResultCode)}
	if told, ok := errors.AsType[*LDAPError](err); ok {
		f.code = told.Code
	}
	f.more = f.code == ldap.LDAPResultSizeLimitExceeded
	if f.more && f.entries >= limit {
		return f, nil // the limit that was met is our own
	}
	return f, err
}

// validFilter says what is wrong with a search filter (RFC 4515); nil for one that can be sent.
func validFilter(filter string) error {
	_, err := ldap.CompileFilter(filter)
	return err
}

// wholeSeconds is the time limit for the directory: what ctx leaves, rounded up, for zero means none.
func wholeSeconds(ctx context.Context) int {
	return int(share(ctx, 1, 1)/time.Second) + 1
}

// do runs one operation until the deadline of ctx and explains its error. The library is kept from taking the process
// down with it: it has met responses that made it panic.
func (s *ldapSession) do(ctx context.Context, operation string, run func() error) (err error) {
	before, _ := s.wire.state()
	defer func() {
		if p := recover(); p != nil {
			err = &LDAPError{Cause: check.LDAPMalformed, Operation: operation, Code: -1,
				Detail: "the response broke the decoder: " + cleanText(fmt.Sprint(p), maxLDAPText)}
		}
	}()
	deadline, _ := ctx.Deadline() // the zero time, none, cannot be: reach sets one
	s.conn.SetTimeout(share(ctx, 1, 1) + libraryGrace)
	if err := s.wire.SetDeadline(deadline); err != nil {
		return s.broken(ctx, operation, before, err)
	}
	err = run()
	var told *ldap.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &told) && (told.ResultCode < ldap.ErrorNetwork || told.ResultCode > ldap.ErrorMalformedPacket):
		e := resultError(operation, told.ResultCode, told.Err.Error(), s.anonymous)
		if to := referredTo(told.Packet); to != "" {
			e.Detail += ", to " + cleanText(to, maxLDAPText)
		}
		return e
	default:
		return s.broken(ctx, operation, before, err)
	}
}

// broken explains an operation without a result, by the first error that the connection gave: the library hands that
// on as text only. before is how much had been received when the operation began.
func (s *ldapSession) broken(ctx context.Context, operation string, before int64, err error) error {
	received, wireErr := s.wire.state()
	if refused, ok := errors.AsType[*tlsprobe.HandshakeError](s.facts.AfterHandshake(wireErr)); ok && before == 0 {
		return refused
	}
	e := &LDAPError{Operation: operation, Code: -1, Err: errors.Join(err, wireErr)}
	ours := isTimeout(wireErr) || (wireErr == nil && share(ctx, 1, 1) == 0)
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		e.Detail, e.Err = "the run was given up before it ended", ctx.Err()
	case errors.Is(wireErr, errWireBudget):
		e.Cause, e.Detail = check.LDAPMalformed, wireErr.Error()
	case ours && received > before && operation != phaseSearch:
		e.Cause, e.Detail = check.LDAPMalformed, "the directory sends something, but no answer"
	case ours:
		e.Cause, e.Detail = check.LDAPTimeout, "no answer in time"
	case isHangUp(wireErr):
		e.Cause, e.Detail = check.LDAPClosed, "the directory closed the connection: "+rootReason(wireErr)
	case wireErr != nil: // an alert, or a broken record, in the middle of the session
		e.Cause, e.Detail = check.LDAPClosed, "the TLS session broke: "+rootReason(wireErr)
	default:
		e.Cause, e.Detail = check.LDAPMalformed, "the answer is no LDAP: "+cleanText(err.Error(), maxLDAPText)
	}
	return e
}

// referredTo is the first address in a response that refers to another server (RFC 4511 section 4.1.10).
func referredTo(response *ber.Packet) string {
	const tagReferral = 3
	if response == nil || len(response.Children) < 2 {
		return ""
	}
	for _, part := range response.Children[1].Children {
		if part.ClassType == ber.ClassContext && part.Tag == tagReferral && len(part.Children) > 0 {
			to, _ := part.Children[0].Value.(string)
			return to
		}
	}
	return ""
}

// isHangUp says whether the peer ended the connection.
func isHangUp(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) ||
		errors.Is(err, syscall.EPIPE)
}
