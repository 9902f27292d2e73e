package directory

import (
	"context"
	"net"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"

	"sallyport/check"
)

// StartTLS asks the directory, over a connection on which nothing has been said, to begin TLS on it (RFC 4511 section
// 4.14). After a nil error the next octets of both sides are those of the handshake; nothing that came in plain text is
// kept, and a directory that sends more than its answer has sent no LDAP. The error is an *Error. Ending ctx ends it;
// the connection stays the caller's. The library's own would wait for a silent directory for ever.
func StartTLS(ctx context.Context, conn net.Conn) (err error) {
	defer survive(OpStartTLS, &err)
	w := newWire(conn)
	defer context.AfterFunc(ctx, w.abort)()
	told, err := w.startTLS(ctx)
	if err != nil {
		return w.failed(ctx, OpStartTLS, err)
	}
	if told.code != 0 {
		return noStartTLS(told)
	}
	if w.in.Buffered() > 0 { // somebody on the way may have put it there, to be taken as if it came through TLS
		return &Error{Cause: check.LDAPMalformed, Operation: OpStartTLS, Code: told.code,
			Detail: "the directory goes on in plain text after it agreed to begin TLS"}
	}
	if err := conn.SetDeadline(time.Time{}); err != nil { // the handshake has its own
		return w.failed(ctx, OpStartTLS, err)
	}
	return nil
}

func (w *wire) startTLS(ctx context.Context) (result, error) {
	if err := w.begin(ctx, ldap.ApplicationExtendedResponse); err != nil {
		return result{}, err
	}
	request := ber.Encode(ber.ClassApplication, ber.TypeConstructed, ldap.ApplicationExtendedRequest, nil, "")
	request.AppendChild(ber.NewString(ber.ClassContext, ber.TypePrimitive, 0, oidStartTLS, ""))
	message := ber.NewSequence("")
	message.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, 1, ""))
	message.AppendChild(request)
	if _, err := w.Write(message.Bytes()); err != nil {
		return result{}, err
	}
	r, err := w.next()
	if err != nil {
		return result{}, err
	}
	err = ldap.GetLDAPError(r.packet)
	told, ok := resultOf(err)
	if err != nil && !ok {
		return result{}, &notLDAP{err}
	}
	return told, nil
}

// noStartTLS is why a directory does not begin TLS. RFC 4511 section 4.14.1 has protocolError for one that does not
// know how to, and unavailable for one that cannot now; Active Directory without a certificate says unavailable.
func noStartTLS(told result) *Error {
	e := refused(OpStartTLS, told, false)
	if told.code == ldap.LDAPResultProtocolError {
		e.Cause = check.LDAPUnwilling
	}
	if told.code != ldap.LDAPResultReferral {
		e.Detail = "the directory does not offer StartTLS: " + e.Detail
	}
	return e
}
