package directory

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/go-ldap/ldap/v3"

	"sallyport/check"
)

// The object identifiers of what is asked for.
const (
	oidPaging     = "1.2.840.113556.1.4.319"  // RFC 2696
	oidStartTLS   = "1.3.6.1.4.1.1466.20037"  // RFC 4511 section 4.14
	oidWhoAmI     = "1.3.6.1.4.1.4203.1.11.3" // RFC 4532
	oidDisconnect = "1.3.6.1.4.1.1466.20036"  // RFC 4511 section 4.4.1
	noAttributes  = "1.1"                     // RFC 4511 section 4.5.1.8
)

// Session speaks LDAP over a connection. It is for one goroutine, and has none of its own.
type Session struct {
	wire      *wire
	anonymous bool // as long as nobody is bound
	sent      int  // requests
	strays    int  // messages that answered none of the requests that wait
	stop      func() bool
}

// Open begins a session over a connection, which is then the session's. Ending ctx ends whatever it does; Close must be
// called.
func Open(ctx context.Context, conn net.Conn) *Session {
	s := &Session{wire: newWire(conn), anonymous: true}
	s.stop = context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	return s
}

// Close takes leave (RFC 4511 section 4.3) and closes the connection.
func (s *Session) Close() {
	s.stop()
	// A peer that does not take the farewell is not waited for, nor is one that has gone.
	_ = s.wire.SetDeadline(time.Now().Add(farewell))
	s.sent++
	_, _ = s.wire.Write(envelope(s.sent, []byte{opUnbindRequest, 0}))
	_ = s.wire.Close()
}

// farewell is how long the end of a session may take.
const farewell = 10 * time.Millisecond

// Received is how many octets the directory has sent.
func (s *Session) Received() int { return s.wire.received }

// Asked says whether anything of a request was handed to the connection: what was may have arrived.
func (s *Session) Asked() bool { return s.sent > 0 }

// Bind authenticates with a DN and a password, or anonymously without a DN. A DN without a password would be
// anonymous too (RFC 4513 section 5.1.2): the caller sees to it that there is one.
func (s *Session) Bind(ctx context.Context, dn, password string) error {
	s.anonymous = dn == ""
	return s.bind(ctx, simpleBind(dn, password))
}

// BindExternal authenticates by the client certificate of the connection (RFC 4513 section 5.2.3).
func (s *Session) BindExternal(ctx context.Context) error {
	s.anonymous = false
	err := s.bind(ctx, externalBind())
	if told, ok := errors.AsType[*Error](err); ok && told.Code == ldap.LDAPResultAuthMethodNotSupported {
		told.Detail = "the directory takes no certificate of this connection for a bind (SASL EXTERNAL): " + told.Detail
	}
	return err
}

func (s *Session) bind(ctx context.Context, request []byte) error {
	_, told, err := s.ask(ctx, OpBind, opBindResponse, request)
	if err == nil && told.code != 0 {
		return refused(OpBind, told, s.anonymous)
	}
	return err
}

// WhoAmI is the authorization identity that the directory has the session under (RFC 4532), escaped: empty for
// nobody.
func (s *Session) WhoAmI(ctx context.Context) (string, error) {
	answer, told, err := s.ask(ctx, OpWhoAmI, opExtendedResponse, extended(oidWhoAmI))
	if err != nil {
		return "", err
	}
	if told.code != 0 {
		return "", refused(OpWhoAmI, told, s.anonymous)
	}
	for len(answer.body) > 0 {
		tag, content, err := answer.body.next()
		if err != nil {
			return "", broken(ctx, OpWhoAmI, true, &notLDAP{err})
		}
		if tag == tagAnswerValue {
			return clean(string(content[:min(len(content), maxKept)])), nil
		}
	}
	return "", nil
}

// ask sends a request that one response answers, and reads its result.
func (s *Session) ask(ctx context.Context, operation string, answer byte, request []byte) (response, result, error) {
	id, err := s.send(ctx, request)
	if err != nil {
		return response{}, result{}, s.failed(ctx, operation, err)
	}
	r, err := s.await(id)
	if err == nil && r.op != answer {
		err = &notLDAP{fmt.Errorf("%#02x is no response to it", r.op)}
	}
	if err != nil {
		return response{}, result{}, s.failed(ctx, operation, err)
	}
	told, err := r.parseResult()
	if err != nil {
		return response{}, result{}, s.failed(ctx, operation, &notLDAP{err})
	}
	return r, told, nil
}

// send sends a request, until the deadline of ctx, by which it must be answered too.
func (s *Session) send(ctx context.Context, request []byte, controls ...[]byte) (id int, err error) {
	deadline, _ := ctx.Deadline() // none is the zero time, which is none for a connection too
	if err := s.wire.SetDeadline(deadline); err != nil {
		return 0, err
	}
	if err := ctx.Err(); err != nil { // else Open has set the deadline again, or will
		return 0, err
	}
	s.sent++
	_, err = s.wire.Write(envelope(s.sent, request, controls...))
	return s.sent, err
}

// await reads until a response to that request comes. What answers another request is passed over: its octets count.
func (s *Session) await(id int) (response, error) {
	for {
		r, err := s.wire.next()
		if err != nil {
			return r, err
		}
		switch r.id {
		case id:
			return r, nil
		case 0:
			if err := s.notified(r); err != nil {
				return r, err
			}
		default:
			s.strays++
		}
	}
}

// notified is the error where a message that nobody asked for is the end of the session (RFC 4511 section 4.4.1).
func (s *Session) notified(r response) error {
	if r.op != opExtendedResponse {
		return nil
	}
	told, err := r.parseResult()
	if err != nil {
		return &notLDAP{err}
	}
	name, ok, err := r.body.maybe(0x8a)
	if err != nil || !ok || string(name) != oidDisconnect {
		return nil //nolint:nilerr // a notification that is not understood is no end of the session
	}
	return &disconnected{told}
}

// disconnected is the directory's notice that it ends the session.
type disconnected struct{ told result }

func (d *disconnected) Error() string {
	return fmt.Sprintf("the directory ends the session: result %d", d.told.code)
}

// explain blames what the directory says of itself. Else it is a connection that it closed.
func (d *disconnected) explain(operation string) *Error {
	e := refused(operation, d.told, false)
	switch e.Cause {
	case check.LDAPUnavailable, check.LDAPBusy, check.LDAPStrongAuthRequired, check.LDAPConfidentialityRequired:
	default:
		e.Cause = check.LDAPClosed
	}
	e.Detail, e.Err = "the directory ends the session: "+e.Detail, d
	return e
}

// failed explains an error of an operation.
func (s *Session) failed(ctx context.Context, operation string, err error) error {
	if end, ok := errors.AsType[*disconnected](err); ok {
		return end.explain(operation)
	}
	return broken(ctx, operation, s.strays > 0, err)
}
