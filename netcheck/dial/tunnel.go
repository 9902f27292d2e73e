package dial

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Tunnel is what an HTTP proxy is asked for by CONNECT (RFC 9110 section 9.3.6).
type Tunnel struct {
	Target string // host:port; a name is the proxy's to resolve, as a JVM leaves it to
	Agent  string // the User-Agent; sallyport when empty
}

// Basic is a user and a password, as RFC 7617 has them. The zero value is nobody.
type Basic struct{ User, Password string }

// ProxyError is a proxy's answer that opens no tunnel.
type ProxyError struct {
	Answer  Answer
	Schemes []string // by which it would authenticate, as it spells them, escaped; with status 407
	Sent    bool     // credentials were sent
}

// Error is the status alone.
func (e *ProxyError) Error() string { return fmt.Sprintf("the proxy answers %d", e.Answer.Status) }

// Offers says that the proxy would authenticate by that scheme (RFC 9110 section 11.1: case does not matter).
func (e *ProxyError) Offers(scheme string) bool {
	return slices.ContainsFunc(e.Schemes, func(s string) bool { return strings.EqualFold(s, scheme) })
}

// Open asks the proxy at the other end of conn for the tunnel, and for it on behalf of a user where there is one. The
// connection returned is the tunnel, conn itself or around it; what the far end has said already is not lost. Without one,
// conn is closed, and the error is a *ProxyError or an *HTTPError.
func (t Tunnel) Open(ctx context.Context, conn net.Conn, as Basic) (net.Conn, Answer, error) {
	request := &http.Request{
		Method: http.MethodConnect, URL: &url.URL{Opaque: t.Target}, Host: t.Target, Header: headerOf(t.Agent),
	}
	if as != (Basic{}) {
		text := base64.StdEncoding.EncodeToString([]byte(as.User + ":" + as.Password))
		request.Header.Set("Proxy-Authorization", "Basic "+text)
	}
	answer, beyond, err := exchange(ctx, conn, request)
	if err == nil && answer.Status/100 != 2 {
		refused := &ProxyError{Answer: answer, Sent: as != (Basic{})}
		if answer.Status == http.StatusProxyAuthRequired {
			refused.Schemes = schemes(answer.Header.Values("Proxy-Authenticate"))
		}
		err = refused
	}
	if err != nil {
		_ = conn.Close() // nothing is to come over it
		return nil, answer, err
	}
	return through(conn, beyond), answer, nil
}

// through is the connection with what was read beyond the proxy's answer before it.
func through(conn net.Conn, beyond *bufio.Reader) net.Conn {
	if beyond.Buffered() == 0 {
		return conn
	}
	early, _ := beyond.Peek(beyond.Buffered()) // it is there
	return &tunnel{Conn: conn, first: io.MultiReader(bytes.NewReader(early), conn)}
}

// tunnel is a connection of which something was read already.
type tunnel struct {
	net.Conn
	first io.Reader
}

// Read gives what was read already, then what comes.
func (t *tunnel) Read(p []byte) (int, error) { return t.first.Read(p) }
