package fetch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	patience     = 10 * time.Second // of a fetch whose context has no earlier deadline
	maxRedirects = 3
	maxHeader    = 16 << 10 // bytes of a response's header
	maxAddress   = 2048     // bytes of an address; longer ones are of no use to anybody
	maxShown     = 128      // bytes of an address that an error shows
)

// ErrTooLarge is a response of more bytes than the caller takes.
var ErrTooLarge = errors.New("the response is too large")

// StatusError is a response with another HTTP status than 200.
type StatusError struct{ Status int }

// Error is the status with its name.
func (e *StatusError) Error() string {
	return strings.TrimSpace(fmt.Sprintf("HTTP status %d %s", e.Status, http.StatusText(e.Status)))
}

// Get fetches an address of the scheme http, and returns at most limit bytes: a longer body is an ErrTooLarge. It ends
// with ctx, and after ten seconds in any case. The error names the address, escaped.
func Get(ctx context.Context, address string, limit int64) ([]byte, error) {
	return send(ctx, http.MethodGet, address, "", nil, limit)
}

// Post is Get with a body of that content type, as OCSP asks (RFC 6960 appendix A.1).
func Post(ctx context.Context, address, contentType string, body []byte, limit int64) ([]byte, error) {
	return send(ctx, http.MethodPost, address, contentType, body, limit)
}

func send(ctx context.Context, method, address, contentType string, body []byte, limit int64) ([]byte, error) {
	if err := plainHTTP(address); err != nil {
		return nil, fmt.Errorf("fetch %s: %w", shown(address), err)
	}
	if err := spend(ctx); err != nil {
		return nil, fmt.Errorf("fetch %s: %w", shown(address), err)
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("fetch %s: the address cannot be read", shown(address))
	}
	request.Header.Set("User-Agent", "sallyport")
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	answer, err := do(request, limit)
	if err != nil {
		return nil, fmt.Errorf("fetch %s: %w", shown(address), err)
	}
	return answer, nil
}

// do sends the request over a connection of its own: fetches are rare, and an idle connection would outlive its run.
func do(request *http.Request, limit int64) ([]byte, error) {
	transport := &http.Transport{
		DialContext: dialer().DialContext, DisableKeepAlives: true, DisableCompression: true,
		MaxResponseHeaderBytes: maxHeader,
	}
	defer transport.CloseIdleConnections()
	client := http.Client{Transport: transport, CheckRedirect: redirect}
	response, err := client.Do(request)
	if err != nil {
		return nil, reason(err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return nil, &StatusError{Status: response.StatusCode}
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, limit+1))
	if err != nil {
		return nil, reason(err)
	}
	if int64(len(body)) > limit {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrTooLarge, limit)
	}
	return body, nil
}

// reason is an error of net/http without the address, which the caller names, and without the server's words, which may
// stand in it unescaped.
func reason(err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err
	}
	if text := strconv.QuoteToASCII(err.Error()); text != `"`+err.Error()+`"` {
		return errors.New("the answer is not HTTP: " + text[:min(len(text), maxShown)])
	}
	return err
}

// plainHTTP says why an address is none that may be fetched; nil when it is one.
func plainHTTP(address string) error {
	if len(address) > maxAddress {
		return fmt.Errorf("the address is longer than %d bytes", maxAddress)
	}
	parsed, err := url.Parse(address)
	switch {
	case err != nil:
		return errors.New("the address cannot be read")
	case parsed.Scheme != "http":
		return fmt.Errorf("only http is fetched, not %s", shown(parsed.Scheme))
	case parsed.Hostname() == "" || parsed.User != nil:
		return errors.New("the address has no host, or has a user in it")
	default:
		return nil
	}
}

func redirect(next *http.Request, before []*http.Request) error {
	if len(before) > maxRedirects {
		return fmt.Errorf("more than %d redirects", maxRedirects)
	}
	return plainHTTP(next.URL.String())
}

func shown(address string) string {
	if len(address) > maxShown {
		return strconv.QuoteToASCII(address[:maxShown]) + "…"
	}
	return strconv.QuoteToASCII(address)
}
