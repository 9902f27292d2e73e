package dial

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
)

// defaultAgent is how a check calls itself where it has no better name.
const defaultAgent = "sallyport"

// Request is one HTTP/1.1 request over a connection that is there already, and its last: the server is asked to close.
// Redirects are not followed, and nothing is sent that identifies a user.
type Request struct {
	Method string // HEAD or GET
	Host   string // as the Host header has it
	Path   string // from /, with its query
	Agent  string // the User-Agent; sallyport when empty
}

// Do sends the request and reads the answer. It ends with ctx, and does not close the connection. The error is an
// *HTTPError, or says that the request itself cannot be sent. An answer whose body breaks off is there beside the error.
func (r Request) Do(ctx context.Context, conn net.Conn) (Answer, error) {
	target, err := url.ParseRequestURI(r.Path)
	if err != nil {
		return Answer{}, fmt.Errorf("the path cannot be asked for: %w", err)
	}
	answer, _, err := exchange(ctx, conn, &http.Request{
		Method: r.Method, URL: target, Host: r.Host, Header: headerOf(r.Agent), Close: true,
	})
	return answer, err
}

func headerOf(agent string) http.Header {
	if agent == "" {
		agent = defaultAgent
	}
	return http.Header{"User-Agent": {agent}, "Accept": {"*/*"}}
}
