package control

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"syscall"
	"time"
)

// dialTimeout bounds a connect to a local socket, whose backlog may be full.
const dialTimeout = 2 * time.Second

// ErrNoServer says that nothing serves the socket: the process of that role does not run.
var ErrNoServer = errors.New("not running")

// RemoteError is what the other side answered instead of a body.
type RemoteError struct {
	Text string
}

func (e *RemoteError) Error() string { return e.Text }

// Call sends one request to the socket at path and decodes the answer into out, which may be nil. ErrNoServer when
// nothing serves it, *RemoteError when the other side refused; the context bounds the wait.
func Call(ctx context.Context, path string, verb Verb, in, out any) error {
	return exchange(ctx, path, verb, in, func(_ net.Conn, r response) (bool, error) {
		if out == nil || r.Body == nil {
			return true, nil
		}
		return true, json.Unmarshal(r.Body, out)
	})
}

// Stream sends one request and hands each message of the answer to each, until the other side or the context ends it.
// It returns nil only when the context ended it.
func Stream(ctx context.Context, path string, verb Verb, in any, each func(json.RawMessage) error) error {
	err := exchange(ctx, path, verb, in, func(_ net.Conn, r response) (bool, error) { return r.Last, each(r.Body) })
	switch {
	case ctx.Err() != nil:
		return nil
	case err == nil:
		return fmt.Errorf("%s: %w", path, io.EOF)
	default:
		return err
	}
}

// exchange sends one request and hands answers over until take says that it has enough.
func exchange(ctx context.Context, path string, verb Verb, in any, take func(net.Conn, response) (bool, error)) error {
	conn, err := dial(ctx, path)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()

	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("encode request: %w", err)
	}
	if err := writeMessage(conn, request{Verb: verb, Body: body}); err != nil {
		return ended(ctx, fmt.Errorf("send to %s: %w", path, err))
	}
	reader := bufio.NewReader(conn)
	for {
		var r response
		if err := readMessage(reader, maxResponse, &r); err != nil {
			return ended(ctx, fmt.Errorf("answer of %s: %w", path, err))
		}
		if r.Error != "" {
			return &RemoteError{Text: r.Error}
		}
		if done, err := take(conn, r); done || err != nil {
			return err
		}
	}
}

// ended prefers the reason for which the context ended to the closed connection that it led to.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

func dial(ctx context.Context, path string) (net.Conn, error) {
	dialer := net.Dialer{Timeout: dialTimeout}
	conn, err := dialer.DialContext(ctx, "unix", path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return nil, fmt.Errorf("%w: nothing listens on %s", ErrNoServer, path)
	}
	return conn, err
}
