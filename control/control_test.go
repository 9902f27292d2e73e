package control_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sallyport/control"
)

func serve(t *testing.T, server *control.Server) string {
	t.Helper()
	server.Log = slog.New(slog.DiscardHandler)
	path := filepath.Join(t.TempDir(), "s.sock")
	listener, lock, err := control.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- server.Serve(ctx, listener) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("serve: %v", err)
			}
		case <-time.After(time.Second):
			t.Error("serve did not stop within a second")
		}
		if err := lock.Release(); err != nil {
			t.Errorf("release: %v", err)
		}
	})
	return path
}

func TestCall(t *testing.T) {
	path := serve(t, &control.Server{Handlers: map[control.Verb]control.Handler{
		control.VerbReload: func(_ context.Context, body json.RawMessage) (any, error) {
			var reload control.Reload
			if err := json.Unmarshal(body, &reload); err != nil {
				return nil, err
			}
			if reload.Digest == "bad" {
				return nil, errors.New("line 3: no such key")
			}
			return map[string]string{"digest": reload.Digest}, nil
		},
	}})
	var answer map[string]string
	if err := control.Call(t.Context(), path, control.VerbReload, control.Reload{Digest: "abc"}, &answer); err != nil {
		t.Fatal(err)
	}
	if answer["digest"] != "abc" {
		t.Errorf("answer = %v", answer)
	}
	err := control.Call(t.Context(), path, control.VerbReload, control.Reload{Digest: "bad"}, nil)
	var remote *control.RemoteError
	if !errors.As(err, &remote) || remote.Text != "line 3: no such key" {
		t.Errorf("err = %v, want the handler's words", err)
	}
	err = control.Call(t.Context(), path, control.VerbApply, nil, nil)
	if err == nil || !strings.Contains(err.Error(), `no such request here: "apply"`) {
		t.Errorf("unknown verb: err = %v", err)
	}
}

func TestCallWithoutServer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "none.sock")
	if err := control.Call(t.Context(), path, control.VerbStatus, nil, nil); !errors.Is(err, control.ErrNoServer) {
		t.Errorf("no socket: err = %v, want ErrNoServer", err)
	}
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	listener.SetUnlinkOnClose(false)
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	if err := control.Call(t.Context(), path, control.VerbStatus, nil, nil); !errors.Is(err, control.ErrNoServer) {
		t.Errorf("socket of a killed process: err = %v, want ErrNoServer", err)
	}
	next, lock, err := control.Listen(path)
	if err != nil {
		t.Fatalf("listen over what a killed process left: %v", err)
	}
	t.Cleanup(func() { _, _ = next.Close(), lock.Release() })
}

func TestListenTwice(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.sock")
	listener, lock, err := control.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = listener.Close(), lock.Release() })
	if _, _, err := control.Listen(path); !errors.Is(err, control.ErrInUse) {
		t.Errorf("err = %v, want ErrInUse", err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("socket mode %v, want 0600", info.Mode().Perm())
	}
}

func TestListenPathTooLong(t *testing.T) {
	_, _, err := control.Listen(filepath.Join(t.TempDir(), strings.Repeat("x", 120)))
	if err == nil || !strings.Contains(err.Error(), "paths.runtime") {
		t.Errorf("err = %v, want one that names the mend", err)
	}
}

func TestCallGivesUp(t *testing.T) {
	path := serve(t, &control.Server{Handlers: map[control.Verb]control.Handler{
		control.VerbStatus: func(ctx context.Context, _ json.RawMessage) (any, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		},
	}})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := control.Call(ctx, path, control.VerbStatus, nil, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("err = %v, want the deadline", err)
	}
}

func TestStream(t *testing.T) {
	hungUp := make(chan struct{})
	path := serve(t, &control.Server{Streamers: map[control.Verb]control.Streamer{
		control.VerbReports: func(ctx context.Context, send func(any) error) error {
			defer close(hungUp)
			for i := range 3 {
				if err := send(control.Report{Repairs: uint64(i)}); err != nil {
					return err
				}
			}
			<-ctx.Done()
			return nil
		},
	}})
	enough := errors.New("enough")
	var seen []uint64
	err := control.Stream(t.Context(), path, control.VerbReports, nil, func(raw json.RawMessage) error {
		var report control.Report
		if err := json.Unmarshal(raw, &report); err != nil {
			return err
		}
		if seen = append(seen, report.Repairs); len(seen) == 3 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || len(seen) != 3 || seen[2] != 2 {
		t.Errorf("seen %v, err %v", seen, err)
	}
	select {
	case <-hungUp:
	case <-time.After(5 * time.Second):
		t.Error("the streamer did not learn that the caller hung up")
	}
}

// TestInTurns holds that the caller does its part in between, and that either side's failure ends the exchange.
func TestInTurns(t *testing.T) {
	var acts []string
	gone := make(chan error, 1)
	path := serve(t, &control.Server{Exchanges: map[control.Verb]control.Exchange{
		control.VerbTrace: func(ctx context.Context, body json.RawMessage, turn func(context.Context) error) (any, error) {
			var request control.Trace
			if err := json.Unmarshal(body, &request); err != nil || request.UID == 7 {
				return nil, errors.New("not now")
			}
			acts = append(acts, "ready")
			if err := turn(ctx); err != nil {
				gone <- err
				return nil, err
			}
			acts = append(acts, "answered")
			return control.Traced{Table: "filter"}, nil
		},
	}})
	var answer control.Traced
	part := func(context.Context) error { acts = append(acts, "done"); return nil }
	err := control.InTurns(t.Context(), path, control.VerbTrace, control.Trace{}, &answer, part)
	if got := strings.Join(acts, " "); err != nil || answer.Table != "filter" || got != "ready done answered" {
		t.Errorf("%s: %+v, %v", got, answer, err)
	}
	var remote *control.RemoteError
	err = control.InTurns(t.Context(), path, control.VerbTrace, control.Trace{UID: 7}, &answer, part)
	if !errors.As(err, &remote) || remote.Text != "not now" {
		t.Errorf("%v, want the other side's words", err)
	}
	failed := errors.New("failed")
	err = control.InTurns(t.Context(), path, control.VerbTrace, control.Trace{}, &answer, func(context.Context) error {
		return failed
	})
	if !errors.Is(err, failed) {
		t.Errorf("%v, want that of the part", err)
	}
	select {
	case err := <-gone:
		if err == nil {
			t.Error("no error")
		}
	case <-time.After(5 * time.Second):
		t.Error("the other side did not learn that the caller hung up")
	}
}

func TestHostileRequests(t *testing.T) {
	path := serve(t, &control.Server{})
	for name, bytes := range map[string]string{
		"not JSON":     "GET / HTTP/1.1\n",
		"cut off":      `{"verb":"sta`,
		"far too long": `{"verb":"` + strings.Repeat("a", 128<<10) + "\"}\n",
		"wrong type":   "[1,2,3]\n",
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := net.Dial("unix", path)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			_, _ = conn.Write([]byte(bytes))
			_ = conn.(*net.UnixConn).CloseWrite()
			_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
			answer := make([]byte, 4096)
			n, err := conn.Read(answer)
			if err == nil && !strings.Contains(string(answer[:n]), `"error"`) {
				t.Errorf("answer %q, want an error", answer[:n])
			}
			var timeout net.Error
			if errors.As(err, &timeout) && timeout.Timeout() {
				t.Error("no answer and no end")
			}
		})
	}
}
