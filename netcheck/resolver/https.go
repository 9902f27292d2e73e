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
	"strings"
	"time"

	"github.com/miekg/dns"

	"sallyport/check"
	"sallyport/netcheck/plain"
)

const (
	dnsMessage     = "application/dns-message" // RFC 8484 section 6
	maxHTTPHeaders = 16 << 10                  // octets that are read of them
	httpsIdle      = 5 * time.Second           // how long a connection is kept for the next question of the same run
	httpsConns     = 4                         // connections to one server at the same time
)

// httpFailure is an answer by HTTP that brings no DNS message.
type httpFailure struct {
	cause  check.Cause
	detail string
}

func (e *httpFailure) Error() string { return e.detail }

// newHTTPS is a client for the one server. It knows no proxy and follows no redirect: what is asked is this server.
func newHTTPS(server Server) *http.Client {
	transport := &http.Transport{
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
		IdleConnTimeout: httpsIdle, MaxIdleConnsPerHost: 1, MaxConnsPerHost: httpsConns,
	}
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// byHTTPS asks by DNS over HTTPS. The message id is 0, as RFC 8484 section 4.1 wants it.
func (x *Exchanger) byHTTPS(ctx context.Context, q Question) (Reply, error) {
	message := q.message()
	message.Id = 0
	raw, err := message.Pack()
	if err != nil {
		return Reply{}, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, x.server.URL, bytes.NewReader(raw))
	if err != nil {
		return Reply{}, err
	}
	request.Header.Set("Content-Type", dnsMessage)
	request.Header.Set("Accept", dnsMessage)
	response, err := x.https.Do(request)
	if err != nil {
		return Reply{}, httpError(err)
	}
	defer func() { _ = response.Body.Close() }()
	if err := judgeResponse(response); err != nil {
		return Reply{}, err
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, dns.MaxMsgSize+1))
	if err != nil {
		return Reply{}, err
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

// httpError tells a peer that speaks no HTTP, which the library knows by words only, from one that cannot be reached.
func httpError(err error) error {
	for _, words := range []string{"malformed HTTP", "http2: ", "server gave HTTP response", "invalid header"} {
		if strings.Contains(err.Error(), words) {
			return &httpFailure{check.HTTPMalformed, "answers with what is no HTTP: " + plain.Text(err.Error(), MaxText)}
		}
	}
	return err
}
