package dial

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"
	"time"
)

// Bounds on what one HTTP answer may make a check take in.
const (
	maxHead    = 64 << 10 // octets before the body, interim answers included
	maxBody    = 64 << 10
	maxInterim = 8 // 1xx answers before the one that counts (RFC 9110 section 15.2)
	maxSaid    = 64
)

// Answer is what a server or a proxy answered. Its text is as it came: escape it.
type Answer struct {
	Status   int
	Reason   string      // the words behind the status
	Header   http.Header // at most 64 KiB
	Body     []byte      // its beginning, at most 64 KiB; empty for HEAD and CONNECT
	Date     time.Time   // the server's clock when it answered; zero where it did not say (RFC 9110 section 6.6.1)
	Received time.Time   // this host's clock when the head of the answer was there
}

// HTTPFailure is why there is no answer.
type HTTPFailure uint8

const (
	HTTPOtherwise HTTPFailure = iota // no way is known
	HTTPTimeout                      // the deadline passed
	HTTPCanceled                     // the caller gave up
	HTTPClosed                       // the peer closed the connection, or broke the TLS session
	HTTPReset                        // the connection was reset
	HTTPTooLarge                     // the head is larger than 64 KiB
	HTTPMalformed                    // what came is not HTTP/1
)

// HTTPError is a request without an answer, or with none that can be read.
type HTTPError struct {
	Failure  HTTPFailure
	Received int    // octets that had come by then; over TLS, those inside it
	Said     []byte // the first of them, at most 64; as they came, so escape them
	Err      error
}

// Error is the failure in words, without anything that the peer said.
func (e *HTTPError) Error() string {
	words := [...]string{
		HTTPOtherwise: "no HTTP answer", HTTPTimeout: "no answer in time", HTTPCanceled: "the request was given up",
		HTTPClosed: "the connection was closed without an answer", HTTPReset: "the connection was reset without an answer",
		HTTPTooLarge: "the head of the answer is larger than 64 KiB", HTTPMalformed: "the answer is not HTTP",
	}
	text := words[HTTPOtherwise]
	if int(e.Failure) < len(words) {
		text = words[e.Failure]
	}
	if e.Received > 0 && (e.Failure == HTTPTimeout || e.Failure == HTTPClosed || e.Failure == HTTPReset) {
		text = fmt.Sprintf("%s, only %d octets of one", text, e.Received)
	}
	return text
}

// Unwrap is the connection's error, or the parser's.
func (e *HTTPError) Unwrap() error { return e.Err }

// exchange sends one request and reads the answer's head, and its body where it has one that is wanted. It ends with ctx,
// and leaves no deadline behind. What the peer sent beyond the answer is in the reader. The error is an *HTTPError.
func exchange(ctx context.Context, conn net.Conn, request *http.Request) (Answer, *bufio.Reader, error) {
	deadline, _ := ctx.Deadline()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer func() {
		if stop() {
			_ = conn.SetDeadline(time.Time{})
		}
	}()
	listen := &listener{conn: conn, left: maxHead}
	if err := conn.SetDeadline(deadline); err != nil {
		return Answer{}, nil, listen.explain(ctx, err)
	}
	sent := request.Write(conn) // a server may refuse, and answer so, before it has read all
	reader := bufio.NewReader(listen)
	response, err := readHead(reader, request) //nolint:bodyclose // closing it would read on; the connection is the caller's
	if err != nil {
		return Answer{}, nil, listen.explain(ctx, errors.Join(err, sent))
	}
	answer := Answer{Status: response.StatusCode, Reason: reasonOf(response), Header: response.Header, Received: time.Now()}
	if date, err := http.ParseTime(response.Header.Get("Date")); err == nil {
		answer.Date = date
	}
	if request.Method == http.MethodConnect {
		return answer, reader, nil // what follows is not the answer's
	}
	listen.left = 2 * maxBody // chunks have their own lines between
	answer.Body, err = io.ReadAll(io.LimitReader(response.Body, maxBody))
	if err != nil {
		return answer, nil, listen.explain(ctx, err)
	}
	return answer, reader, nil
}

// readHead is the first answer that is not an interim one.
func readHead(reader *bufio.Reader, request *http.Request) (*http.Response, error) {
	for range maxInterim {
		response, err := http.ReadResponse(reader, request)
		if err != nil {
			return nil, err
		}
		if response.StatusCode >= 200 || response.StatusCode == http.StatusSwitchingProtocols {
			return response, nil
		}
	}
	return nil, fmt.Errorf("more than %d interim answers", maxInterim)
}

// reasonOf is what stands behind the code in the status line.
func reasonOf(r *http.Response) string {
	const code = len("200 ")
	if len(r.Status) <= code {
		return ""
	}
	return r.Status[code:]
}

// listener reads what a peer answers within a bound, and keeps its first octets and the connection's first error: the
// parser of HTTP hands that on in words of its own.
type listener struct {
	conn     net.Conn
	left     int
	received int
	said     []byte
	err      error
}

var errTooLarge = errors.New("more than an answer may have")

// Read reads within the bound.
func (l *listener) Read(p []byte) (int, error) {
	if l.left <= 0 {
		l.err = errTooLarge
		return 0, l.err
	}
	n, err := l.conn.Read(p[:min(len(p), l.left)])
	l.left -= n
	l.received += n
	if room := maxSaid - len(l.said); room > 0 {
		l.said = append(l.said, p[:min(n, room)]...)
	}
	if l.err == nil {
		l.err = err
	}
	return n, err
}

// explain is the error of an exchange: the connection's, where it had one, or that of what it carried.
func (l *listener) explain(ctx context.Context, err error) *HTTPError {
	e := &HTTPError{Received: l.received, Said: l.said, Err: err}
	if l.err != nil {
		e.Err = l.err
	}
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		e.Failure = HTTPCanceled
	case errors.Is(l.err, errTooLarge):
		e.Failure = HTTPTooLarge
	case !l.speaksHTTP():
		e.Failure = HTTPMalformed // whatever ended it
	case isTimeout(e.Err):
		e.Failure = HTTPTimeout
	case errors.Is(e.Err, syscall.ECONNRESET), errors.Is(e.Err, syscall.EPIPE):
		e.Failure = HTTPReset
	case l.err != nil:
		e.Failure = HTTPClosed // in an orderly way, or by an error of TLS
	default:
		e.Failure = HTTPMalformed
	}
	return e
}

// speaksHTTP says that what came so far may be the beginning of an HTTP/1 answer.
func (l *listener) speaksHTTP() bool {
	const begins = "HTTP/1."
	n := min(len(l.said), len(begins))
	return string(l.said[:n]) == begins[:n]
}
