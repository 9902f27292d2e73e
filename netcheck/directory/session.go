package directory

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"

	"sallyport/check"
)

// The object identifiers of what is asked for.
const (
	oidPaging     = ldap.ControlTypePaging   // RFC 2696
	oidStartTLS   = "1.3.6.1.4.1.1466.20037" // RFC 4511 section 4.14
	oidWhoAmI     = ldap.ControlTypeWhoAmI   // RFC 4532
	oidDisconnect = "1.3.6.1.4.1.1466.20036" // RFC 4511 section 4.4.1
	noAttributes  = "1.1"                    // RFC 4511 section 4.5.1.8
)

// Session speaks LDAP over a connection. It is for one goroutine. The library has two of its own for it, which end when
// it is closed.
type Session struct {
	conn      *ldap.Conn
	wire      *wire
	anonymous bool // as long as nobody is bound
	stop      func() bool
}

const (
	// farewell is how long the end of a session may take.
	farewell = 10 * time.Millisecond

	// grace is how much later than the connection's deadline the library's own is: only the former leaves an error that
	// tells what happened.
	grace = 50 * time.Millisecond
)

// Open begins a session over a connection, which is then the session's. Ending ctx ends whatever it does; Close must be
// called.
func Open(ctx context.Context, conn net.Conn) *Session {
	w := newWire(conn)
	s := &Session{conn: ldap.NewConn(w, true), wire: w, anonymous: true}
	s.stop = context.AfterFunc(ctx, w.abort)
	s.conn.Start()
	return s
}

// Close takes leave (RFC 4511 section 4.3) and closes the connection.
func (s *Session) Close() {
	s.stop()
	// A peer that does not take the farewell is not waited for, nor is one that has gone.
	_ = s.wire.SetDeadline(time.Now().Add(farewell))
	_ = s.conn.Unbind()
	_ = s.conn.Close()
}

// Received is how many octets the directory has sent.
func (s *Session) Received() int {
	s.wire.mu.Lock()
	defer s.wire.mu.Unlock()
	return s.wire.received
}

// Asked says whether anything of a request was handed to the connection: what was may have arrived.
func (s *Session) Asked() bool {
	s.wire.mu.Lock()
	defer s.wire.mu.Unlock()
	return s.wire.sent > 0
}

// Bind authenticates with a DN and a password, or anonymously without a DN. A DN without a password would be
// anonymous too (RFC 4513 section 5.1.2): the caller sees to it that there is one.
func (s *Session) Bind(ctx context.Context, dn, password string) error {
	s.anonymous = dn == ""
	return s.bind(ctx, func() error {
		_, err := s.conn.SimpleBind(&ldap.SimpleBindRequest{Username: dn, Password: password, AllowEmptyPassword: dn == ""})
		return err
	})
}

// BindExternal authenticates by the client certificate of the connection (RFC 4513 section 5.2.3).
func (s *Session) BindExternal(ctx context.Context) error {
	s.anonymous = false
	err := s.bind(ctx, s.conn.ExternalBind)
	if told, ok := errors.AsType[*Error](err); ok && told.Code == ldap.LDAPResultAuthMethodNotSupported {
		told.Detail = "the directory takes no certificate of this connection for a bind (SASL EXTERNAL): " + told.Detail
	}
	return err
}

func (s *Session) bind(ctx context.Context, run func() error) error {
	told, err := s.do(ctx, OpBind, run, ldap.ApplicationBindResponse)
	if err == nil && told.code != 0 {
		return refused(OpBind, told, s.anonymous)
	}
	return err
}

// WhoAmI is the authorization identity that the directory has the session under (RFC 4532), escaped: empty for
// nobody.
func (s *Session) WhoAmI(ctx context.Context) (string, error) {
	var answer *ldap.WhoAmIResult
	told, err := s.do(ctx, OpWhoAmI, func() (err error) {
		answer, err = s.conn.WhoAmI(nil)
		return err
	}, ldap.ApplicationExtendedResponse)
	switch {
	case err != nil:
		return "", err
	case told.code != 0:
		return "", refused(OpWhoAmI, told, s.anonymous)
	default:
		return clean(answer.AuthzID), nil
	}
}

// do has the library run one operation, until the deadline of ctx. The error says why no result came.
func (s *Session) do(ctx context.Context, operation string, run func() error, answers ...ber.Tag) (told result, err error) {
	defer survive(operation, &err)
	if err := s.wire.begin(ctx, answers...); err != nil {
		return told, s.wire.failed(ctx, operation, err)
	}
	s.conn.SetTimeout(0)
	if deadline, ok := ctx.Deadline(); ok {
		s.conn.SetTimeout(max(time.Until(deadline), 0) + grace)
	}
	if err = run(); err == nil {
		return told, nil
	}
	if told, ok := resultOf(err); ok {
		return told, nil
	}
	return told, s.wire.failed(ctx, operation, &notLDAP{err})
}

// survive keeps the library from taking the process down with it: it has met responses that made it panic.
func survive(operation string, err *error) {
	if p := recover(); p != nil {
		*err = &Error{Cause: check.LDAPMalformed, Operation: operation, Code: CodeNone,
			Detail: "the response broke the decoder: " + clean(fmt.Sprint(p))}
	}
}
