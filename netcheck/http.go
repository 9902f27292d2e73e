package netcheck

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"sallyport/check"
	"sallyport/netcheck/dial"
	"sallyport/tlsprobe"
)

// HTTPRequest is one request that a check sends over its verified connection, and which answers are good.
type HTTPRequest struct {
	Method   string // HEAD or GET
	Path     string // from /, with its query
	Statuses []StatusRange
}

// StatusRange is a range of status codes, both ends included.
type StatusRange struct{ First, Last int }

// wants says whether the status is that of a good answer.
func (r HTTPRequest) wants(status int) bool {
	return slices.ContainsFunc(r.Statuses, func(s StatusRange) bool { return s.First <= status && status <= s.Last })
}

// ask sends the target's request, and judges the answer.
func (t TLSTarget) ask(ctx context.Context, a *attempt) error {
	return a.timed(phaseHTTP, func() error {
		request := dial.Request{Method: t.HTTP.Method, Host: t.authority(), Path: t.HTTP.Path, Agent: t.Agent}
		answer, err := request.Do(ctx, a.conn)
		if answer.Status != 0 {
			a.answer = &answer
		}
		if err != nil {
			return a.afterHandshake(ctx, err)
		}
		if !answer.Date.IsZero() {
			a.noteClock(answer.Date.Sub(answer.Received))
		}
		if a.warning == nil && !answer.Date.IsZero() {
			a.warning = clockApart(answer.Received, answer.Date.Sub(answer.Received))
		}
		return t.HTTP.judge(answer, a.facts)
	})
}

// dateOf asks a server that speaks HTTP for its time: the Date of whatever it answers to HEAD / (RFC 9110 section 6.6.1).
func (t TLSTarget) dateOf(ctx context.Context, conn *tls.Conn) (time.Time, bool) {
	request := dial.Request{Method: http.MethodHead, Host: t.authority(), Path: "/", Agent: t.Agent}
	answer, err := request.Do(ctx, conn)
	return answer.Date, err == nil && !answer.Date.IsZero()
}

// authority is the Host of a request (RFC 9110 section 7.2): the port is left out where it is that of https.
func (t Server) authority() string {
	const httpsPort = 443
	if t.Port != httpsPort {
		return net.JoinHostPort(t.serverName(), strconv.Itoa(int(t.Port)))
	}
	if strings.Contains(t.serverName(), ":") {
		return "[" + t.serverName() + "]"
	}
	return t.serverName()
}

// judge is what is wrong with an answer; nil for a good one. A server that asked for a certificate in the handshake, and
// for want of one refuses the request, says so with 400 (or, nginx within itself, with 495 and 496).
func (r HTTPRequest) judge(answer dial.Answer, facts tlsprobe.Facts) error {
	if r.wants(answer.Status) {
		return nil
	}
	line := statusLine(answer)
	if insists(answer, facts) {
		return &opinion{cause: check.TLSClientCertificate, words: "the server asks for a client certificate in the " +
			"handshake, and does not answer a request without one that it takes: " + line}
	}
	words := "the server answers " + line
	if server := answer.Header.Get("Server"); server != "" {
		words += " (" + cleanText(server, maxTextKept) + ")"
	}
	if to := answer.Header.Get("Location"); to != "" {
		words += ", to " + cleanText(to, maxTextKept)
	}
	return &opinion{cause: check.HTTPStatus, words: words}
}

// insists says that the answer refuses a client for its certificate.
func insists(answer dial.Answer, facts tlsprobe.Facts) bool {
	switch {
	case !facts.ClientCertificateRequested:
		return false
	case answer.Status == 495, answer.Status == 496:
		return true
	default:
		return answer.Status == http.StatusBadRequest
	}
}

// statusLine is a status with its words, or those that are usual where it came with none.
func statusLine(a dial.Answer) string {
	reason := a.Reason
	if reason == "" {
		reason = http.StatusText(a.Status)
	}
	return strings.TrimSpace(fmt.Sprintf("%d %s", a.Status, cleanText(reason, maxTextKept)))
}

// classifyHTTP names a request without an answer. Of what never came, no more can be said than that it has not the status
// that it should; what came and is no answer is malformed.
func classifyHTTP(err error) (check.Cause, string) {
	silent, ok := errors.AsType[*dial.HTTPError](err)
	if !ok {
		return check.UnknownIn(check.LayerHTTP), cleanText(err.Error(), maxDetail)
	}
	words := "the server gives no HTTP status: " + unanswered(silent)
	switch silent.Failure {
	case dial.HTTPCanceled:
		return "", "the run was given up before it ended"
	case dial.HTTPTimeout, dial.HTTPClosed, dial.HTTPReset:
		if silent.Received == 0 {
			return check.HTTPStatus, words
		}
		return check.HTTPMalformed, words
	case dial.HTTPTooLarge, dial.HTTPMalformed:
		return check.HTTPMalformed, words
	default:
		return check.UnknownIn(check.LayerHTTP), words + ": " + cleanText(silent.Err.Error(), maxDetail)
	}
}

// unanswered is a request without an answer, with what was said in its place.
func unanswered(e *dial.HTTPError) string {
	switch {
	case e.Failure == dial.HTTPClosed && !errors.Is(e.Err, io.EOF) && !errors.Is(e.Err, io.ErrUnexpectedEOF):
		return e.Error() + ": " + cleanText(e.Err.Error(), maxDetail)
	case e.Failure != dial.HTTPMalformed:
		return e.Error()
	case len(e.Said) > 0 && e.Said[0] == alertRecord:
		return "it speaks TLS there, and not HTTP"
	case strings.HasPrefix(string(e.Said), "HTTP/1."):
		return "the answer breaks the rules of HTTP: " + cleanText(e.Err.Error(), maxDetail)
	default:
		return e.Error() + ": it said " + cleanQuote(e.Said)
	}
}

// alertRecord is how a TLS record with an alert begins (RFC 8446 section 5.1), and no text does.
const alertRecord = 21

// cleanQuote is what a peer said, in quotes and escaped.
func cleanQuote(said []byte) string { return strconv.QuoteToASCII(string(said)) }
