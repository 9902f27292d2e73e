package resolver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"strconv"

	"github.com/miekg/dns"

	"sallyport/check"
	"sallyport/netcheck/plain"
)

const (
	dnsMessage     = "application/dns-message" // RFC 8484 section 6
	maxHTTPHeaders = 16 << 10                  // octets that are read of them
	maxHTTPBuffer  = 2 * dns.MaxMsgSize        // octets that are held of a body
)

// httpFailure is an answer by HTTP that brings no DNS message.
type httpFailure struct {
	cause  check.Cause
	detail string
}

func (e *httpFailure) Error() string { return e.detail }

// newHTTPS makes connections to the one server, by HTTP/2 where it can (RFC 8484 section 5.2). It knows no proxy.
func newHTTPS(server Server) *http.Transport {
	return &http.Transport{
		DialTLSContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			if server.Address.IsValid() {
				address = server.Address.String()
			}
			conn, err := new(net.Dialer).DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			secured, err := server.Secure(ctx, conn, server.serverName(), []string{"h2", "http/1.1"})
			if err != nil {
				return nil, &SecureError{Err: err}
			}
			return secured, nil
		},
		ForceAttemptHTTP2: true, DisableCompression: true, MaxResponseHeaderBytes: maxHTTPHeaders,
		// Of a body that nobody reads any more, HTTP/2 would by default take in 4 MiB.
		HTTP2: &http.HTTP2Config{MaxReceiveBufferPerStream: maxHTTPBuffer, MaxReceiveBufferPerConnection: maxHTTPBuffer},
	}
}

// byHTTPS asks by DNS over HTTPS, on a connection of its own; a redirect is an answer like any other, and not followed.
// The message id is 0, as RFC 8484 section 4.1 wants it.
func (x *Exchanger) byHTTPS(ctx context.Context, q Question) (Reply, error) {
	message := q.message()
	message.Id = 0
	request, err := x.request(ctx, message)
	if err != nil {
		return Reply{}, err
	}
	port := request.URL.Port()
	if port == "" {
		port = strconv.Itoa(HTTPSPort)
	}
	conn, err := x.https.NewClientConn(ctx, "https", net.JoinHostPort(request.URL.Hostname(), port))
	if err != nil {
		return Reply{}, err
	}
	defer func() { _ = conn.Close() }()
	response, err := conn.RoundTrip(request)
	if err != nil {
		return Reply{}, httpError(err)
	}
	defer func() { _ = response.Body.Close() }()
	if err := judgeResponse(response); err != nil {
		return Reply{}, err
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, dns.MaxMsgSize+1))
	if err != nil {
		return Reply{}, httpError(err)
	}
	if len(body) > dns.MaxMsgSize {
		return Reply{}, &malformedReply{"more octets than a DNS message can have"}
	}
	msg, err := parseReply(body, q, 0)
	if errors.Is(err, errStrayReply) {
		err = &malformedReply{"an answer with a message id other than 0"}
	}
	return Reply{Msg: msg, Transport: HTTPS}, err
}

func (x *Exchanger) request(ctx context.Context, message *dns.Msg) (*http.Request, error) {
	raw, err := message.Pack()
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, x.server.URL, bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", dnsMessage)
	request.Header.Set("Accept", dnsMessage)
	return request, nil
}

// judgeResponse says why a response has no DNS message.
func judgeResponse(response *http.Response) error {
	if response.StatusCode != http.StatusOK {
		return &httpFailure{check.HTTPStatus, "answers with the HTTP status " + plain.Text(response.Status, MaxText)}
	}
	kind, _, err := mime.ParseMediaType(response.Header.Get("Content-Type"))
	if err != nil || kind != dnsMessage {
		return &httpFailure{check.HTTPMalformed, fmt.Sprintf("answers with content of the type %q instead of %s",
			plain.Text(response.Header.Get("Content-Type"), MaxText), dnsMessage)}
	}
	return nil
}

// httpError tells a peer that breaks the protocol, for which the library has words only, from one that falls silent or
// goes away.
func httpError(err error) error {
	_, byNetwork := errors.AsType[*net.OpError](err)
	if byNetwork || isTimeout(err) || errors.Is(err, context.Canceled) || errors.Is(err, io.EOF) ||
		errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	return &httpFailure{check.HTTPMalformed, "answers with what is no HTTP: " + plain.Text(err.Error(), MaxText)}
}
