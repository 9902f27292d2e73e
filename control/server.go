package control

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"
)

const (
	maxConnections = 32               // at a time; more wait in the kernel's backlog
	requestTimeout = 5 * time.Second  // from accept to a whole request
	writeTimeout   = 10 * time.Second // for one answer; a reader slower than that is cut off
)

// Handler answers one verb. What it returns is encoded as the answer's body; its error reaches the caller as text.
type Handler func(ctx context.Context, body json.RawMessage) (any, error)

// Streamer answers one verb with a stream: it calls send for each message until the context ends or send fails.
type Streamer func(ctx context.Context, send func(any) error) error

// Server answers requests on one socket. Fill in the maps before Serve.
type Server struct {
	Handlers  map[Verb]Handler
	Streamers map[Verb]Streamer
	Exchanges map[Verb]Exchange
	Log       *slog.Logger
}

// Serve answers on the listener until the context ends, then closes it, cuts what is under way and waits for it. It
// returns nil when the context ended it.
func (s *Server) Serve(ctx context.Context, listener *net.UnixListener) error {
	ctx, cancel := context.WithCancel(ctx)
	var connections sync.WaitGroup
	defer connections.Wait()
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = listener.Close() })
	defer stop()

	slots := make(chan struct{}, maxConnections)
	for {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
		conn, err := listener.AcceptUnix()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("accept on %s: %w", listener.Addr(), err)
		}
		connections.Go(func() {
			defer func() { <-slots }()
			s.answer(ctx, conn)
		})
	}
}

// answer reads one request and answers it. The connection is closed when the context ends, which ends any wait on it.
func (s *Server) answer(ctx context.Context, conn *net.UnixConn) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	defer func() { _ = conn.Close() }()

	if err := authorize(conn); err != nil {
		s.Log.Warn("control request refused", "err", err)
		_ = s.reply(conn, response{Error: err.Error(), Last: true})
		return
	}
	var req request
	_ = conn.SetReadDeadline(time.Now().Add(requestTimeout))
	reader := bufio.NewReader(conn)
	if err := readMessage(reader, maxRequest, &req); err != nil {
		_ = s.reply(conn, response{Error: err.Error(), Last: true})
		return
	}
	_ = conn.SetReadDeadline(time.Time{})
	if streamer, ok := s.Streamers[req.Verb]; ok {
		s.stream(ctx, cancel, conn, reader, streamer)
		return
	}
	if run, ok := s.Exchanges[req.Verb]; ok {
		s.exchange(ctx, conn, reader, req, run)
		return
	}
	_ = s.reply(conn, s.handle(ctx, req))
}

func (s *Server) handle(ctx context.Context, req request) response {
	handler, ok := s.Handlers[req.Verb]
	if !ok {
		return response{Error: fmt.Sprintf("no such request here: %q", req.Verb), Last: true}
	}
	answer, err := handler(ctx, req.Body)
	if err != nil {
		return response{Error: err.Error(), Last: true}
	}
	return encoded(answer)
}

// encoded is an answer as a response, the last.
func encoded(answer any) response {
	body, err := json.Marshal(answer)
	if err != nil {
		return response{Error: fmt.Sprintf("encode answer: %v", err), Last: true}
	}
	return response{Body: body, Last: true}
}

// stream runs the streamer until it ends or the caller hangs up, which shows as the end of what can be read from it.
func (s *Server) stream(ctx context.Context, cancel func(), conn *net.UnixConn, reader *bufio.Reader, run Streamer) {
	var watcher sync.WaitGroup
	defer watcher.Wait()
	defer func() { _ = conn.Close() }()
	watcher.Go(func() {
		_, _ = reader.ReadByte()
		cancel()
	})
	err := run(ctx, func(message any) error {
		body, err := json.Marshal(message)
		if err != nil {
			return err
		}
		return s.reply(conn, response{Body: body})
	})
	if err != nil && ctx.Err() == nil {
		s.Log.Warn("control stream ended", "err", err)
	}
}

func (s *Server) reply(conn *net.UnixConn, r response) error {
	_ = conn.SetWriteDeadline(time.Now().Add(writeTimeout))
	err := writeMessage(conn, r)
	if errors.Is(err, errTooLarge) {
		return writeMessage(conn, response{Error: err.Error(), Last: true})
	}
	return err
}
