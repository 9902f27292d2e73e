package control

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"time"
)

// Exchange answers one verb in two turns: it calls turn, which tells the caller to do its part and returns when that is
// done, then it returns the answer. The error of turn is that the caller has gone, or has not done its part before ctx
// ended. The exchange's own error reaches the caller as text.
type Exchange func(ctx context.Context, body json.RawMessage, turn func(ctx context.Context) error) (any, error)

// exchange answers a request in two turns. It ends when the caller hangs up, or at the server's end.
func (s *Server) exchange(ctx context.Context, conn *net.UnixConn, reader *bufio.Reader, req request, run Exchange) {
	answer, err := run(ctx, req.Body, func(ctx context.Context) error {
		if err := s.reply(conn, response{}); err != nil {
			return err
		}
		until, limited := ctx.Deadline()
		if limit := time.Now().Add(requestTimeout); !limited || limit.Before(until) {
			until = limit
		}
		_ = conn.SetReadDeadline(until)
		var next request
		return readMessage(reader, maxRequest, &next)
	})
	if err != nil {
		_ = s.reply(conn, response{Error: err.Error(), Last: true})
		return
	}
	_ = s.reply(conn, encoded(answer))
}

// InTurns sends one request to the socket at path, does its part when the other side says so, and decodes the answer
// into out. The errors are those of Call, and that of the part.
func InTurns(ctx context.Context, path string, verb Verb, in, out any, part func(ctx context.Context) error) error {
	done := false
	return exchange(ctx, path, verb, in, func(conn net.Conn, r response) (bool, error) {
		if done {
			return true, json.Unmarshal(r.Body, out)
		}
		done = true
		if err := part(ctx); err != nil {
			return false, err
		}
		if err := writeMessage(conn, request{Verb: verb}); err != nil {
			return false, ended(ctx, fmt.Errorf("send to %s: %w", path, err))
		}
		return false, nil
	})
}
