package syslog

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"sallyport/check"
)

func numbered(i int) check.Transition {
	tr := expired()
	tr.Check = fmt.Sprintf("check-%d", i)
	return tr
}

// isNumber says whether the record is the one of numbered(i).
func isNumber(record string, i int) bool {
	return strings.Contains(record, fmt.Sprintf(`check="check-%d"`, i))
}

func TestTransports(t *testing.T) {
	id := newIdentity(t)
	tests := map[string]func(t *testing.T) (Target, func() string){
		"udp": func(t *testing.T) (Target, func() string) {
			c := listenPacket(t, "udp", "127.0.0.1:0")
			return Target{Network: "udp", Address: c.LocalAddr().String()}, func() string { return receive(t, c) }
		},
		"udp over IPv6": func(t *testing.T) (Target, func() string) {
			c := listenPacket(t, "udp", "[::1]:0")
			return Target{Network: "udp", Address: c.LocalAddr().String()}, func() string { return receive(t, c) }
		},
		"tcp": func(t *testing.T) (Target, func() string) {
			s := serveStream(t, listen(t, "tcp", "127.0.0.1:0"))
			return Target{Network: "tcp", Address: s.Addr().String()}, func() string { return next(t, s.records) }
		},
		"tls": func(t *testing.T) (Target, func() string) {
			s := serveStream(t, tls.NewListener(listen(t, "tcp", "127.0.0.1:0"), id.config(t)))
			target := Target{Network: "tls", Address: s.Addr().String(), Roots: id.roots, ServerName: "logs.test"}
			return target, func() string { return next(t, s.records) }
		},
		"unix datagrams": func(t *testing.T) (Target, func() string) {
			c := listenPacket(t, "unixgram", filepath.Join(t.TempDir(), "log"))
			return Target{Network: "unix", Address: c.LocalAddr().String()}, func() string { return receive(t, c) }
		},
		"unix stream": func(t *testing.T) (Target, func() string) {
			s := serveStream(t, listen(t, "unix", filepath.Join(t.TempDir(), "log")))
			return Target{Network: "unix", Address: s.Addr().String()}, func() string { return next(t, s.records) }
		},
	}
	for name, open := range tests {
		t.Run(name, func(t *testing.T) {
			target, receive := open(t)
			s := New(target, Options{Hostname: self.hostname, ProcID: self.procID, Retry: soon})
			start(t, s)
			for _, tr := range []check.Transition{expired(), attacked(), longest(), recovered()} {
				s.Transition(tr)
				want := string(transitionRecord(tr).rfc5424(self, target.limit()))
				if got := receive(); got != want {
					t.Errorf("got  %q\nwant %q", got, want)
				}
			}
			eventually(t, "the queue is sent", s.queue.empty)
			if since, dropped, err := s.Down(); !since.IsZero() || err != nil || dropped != 0 {
				t.Errorf("Down() = %v, %v, %d", since, err, dropped)
			}
		})
	}
}

// TestBalancerWithoutBackend: a server that accepts and hangs up is away, and takes no record with it.
func TestBalancerWithoutBackend(t *testing.T) {
	l := listen(t, "tcp", "127.0.0.1:0")
	server := &streamServer{l, make(chan string, queueSize)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for turn := 0; ; turn++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if turn < 3 {
				_ = c.Close()
				continue
			}
			server.read(c)
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	s := New(Target{Network: "tcp", Address: l.Addr().String()}, Options{Retry: soon})
	const records = 20
	for i := range records {
		s.Transition(numbered(i))
	}
	start(t, s)
	eventually(t, "the server is away", func() bool { since, _, _ := s.Down(); return !since.IsZero() })
	for i := range records {
		if got := next(t, server.records); !isNumber(got, i) {
			t.Fatalf("record %d is %q", i, got)
		}
	}
}

func TestLocalForm(t *testing.T) {
	dir := t.TempDir()
	c := listenPacket(t, "unixgram", filepath.Join(dir, "dgram"))
	s := New(Target{Network: "unix", Address: c.LocalAddr().String(), Form: FormLocal}, Options{ProcID: "4711"})
	start(t, s)
	s.Transition(expired())
	if got, want := receive(t, c), string(transitionRecord(expired()).local(self, maxStream)); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}

	l := listen(t, "unix", filepath.Join(dir, "stream"))
	s = New(Target{Network: "unix", Address: l.Addr().String(), Form: FormLocal}, Options{ProcID: "4711"})
	start(t, s)
	s.Transition(attacked())
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	want := transitionRecord(attacked()).local(self, maxStream)
	got := make([]byte, len(want)+1)
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	if n, err := conn.Read(got); err != nil || string(got[:n]) != string(want)+"\x00" {
		t.Errorf("%v, got %q\nwant %q and NUL", err, got[:n], want)
	}
}

func TestFormAuto(t *testing.T) {
	for _, tt := range []struct {
		target Target
		local  bool
	}{
		{Target{Network: "unix", Address: "/dev/log"}, true},
		{Target{Network: "unix", Address: "/dev/../dev/log"}, true},
		{Target{Network: "unix", Address: "/run/systemd/journal/dev-log"}, true},
		{Target{Network: "unix", Address: "/run/systemd/journal/syslog"}, true},
		{Target{Network: "unix", Address: "/var/run/log"}, true},
		{Target{Network: "unix", Address: "/run/sallyport/log"}, false},
		{Target{Network: "unix", Address: "/dev/log", Form: FormRFC5424}, false},
		{Target{Network: "unix", Address: "/tmp/log", Form: FormLocal}, true},
		{Target{Network: "tcp", Address: "10.0.0.1:514"}, false},
	} {
		if got := tt.target.isLocal(); got != tt.local {
			t.Errorf("%+v: local %v, want %v", tt.target, got, tt.local)
		}
	}
}

func TestResultsOnlyWhereAskedFor(t *testing.T) {
	for _, asked := range []bool{false, true} {
		c := listenPacket(t, "udp", "127.0.0.1:0")
		s := New(Target{Network: "udp", Address: c.LocalAddr().String()}, Options{Results: asked})
		start(t, s)
		s.Result(expired().Result)
		s.Transition(recovered())
		want := "event=\"transition\""
		if asked {
			want = "event=\"result\""
		}
		if got := receive(t, c); !strings.Contains(got, want) {
			t.Errorf("asked %v: first record %q", asked, got)
		}
	}
}

// TestServerAwayAndBack holds that records wait for a stream server, that the oldest are dropped and counted, that the
// server is told how many, and that the outage can be asked for and stands in the log once.
func TestServerAwayAndBack(t *testing.T) {
	l := listen(t, "tcp", "127.0.0.1:0")
	address := l.Addr().String()
	_ = l.Close()
	var log safeBuffer
	s := New(Target{Network: "tcp", Address: address},
		Options{Retry: soon, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	const lost = 5
	for i := range queueSize + lost {
		s.Transition(numbered(i))
	}
	start(t, s)
	eventually(t, "down", func() bool { since, _, _ := s.Down(); return !since.IsZero() })
	if _, dropped, err := s.Down(); err == nil || !strings.Contains(err.Error(), "refused") || dropped != lost {
		t.Errorf("Down() says %v, %d dropped; want a refusal, %d", err, dropped, lost)
	}

	server := serveStream(t, listen(t, "tcp", address))
	if first := next(t, server.records); !strings.Contains(first, `event="dropped"`) ||
		!strings.Contains(first, `records="5"`) {
		t.Errorf("first record %q does not tell of %d dropped ones", first, lost)
	}
	for i := lost; i < queueSize+lost; i++ {
		if got := next(t, server.records); !isNumber(got, i) {
			t.Fatalf("record %d is %q", i, got)
		}
	}
	eventually(t, "up", func() bool { since, _, err := s.Down(); return since.IsZero() && err == nil })
	if text := log.String(); strings.Count(text, "is away") != 1 || strings.Count(text, "is back") != 1 {
		t.Errorf("log:\n%s", text)
	}
}

// TestServerRestarts holds that the end of a stream is noticed while there is nothing to send, and that what comes
// afterwards is neither lost nor torn.
func TestServerRestarts(t *testing.T) {
	l := listen(t, "tcp", "127.0.0.1:0")
	address := l.Addr().String()
	s := New(Target{Network: "tcp", Address: address}, Options{Retry: soon})
	start(t, s)
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	_ = conn.Close()
	eventually(t, "down without a record", func() bool { since, _, _ := s.Down(); return !since.IsZero() })
	for i := range 10 {
		s.Transition(numbered(i))
	}
	server := serveStream(t, listen(t, "tcp", address))
	for i := range 10 {
		if got := next(t, server.records); !isNumber(got, i) {
			t.Fatalf("record %d is %q", i, got)
		}
	}
}

// TestDatagramRefused holds that a record that a closed UDP port refused is sent again when the port opens.
func TestDatagramRefused(t *testing.T) {
	c := listenPacket(t, "udp", "127.0.0.1:0")
	address := c.LocalAddr().String()
	_ = c.Close()
	s := New(Target{Network: "udp", Address: address}, Options{Retry: soon})
	start(t, s)
	s.Transition(numbered(1))
	eventually(t, "down", func() bool { _, _, err := s.Down(); return err != nil })
	s.Transition(numbered(2))
	c = listenPacket(t, "udp", address)
	for i := 1; i <= 2; i++ {
		if got := receive(t, c); !isNumber(got, i) {
			t.Errorf("record %d is %q", i, got)
		}
	}
	eventually(t, "up", func() bool { since, _, _ := s.Down(); return since.IsZero() })
}

func TestUnixSocketComesLater(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	s := New(Target{Network: "unix", Address: path}, Options{Retry: soon})
	start(t, s)
	s.Transition(numbered(1))
	eventually(t, "down", func() bool { _, _, err := s.Down(); return err != nil })
	if got := receive(t, listenPacket(t, "unixgram", path)); !isNumber(got, 1) {
		t.Errorf("record %q", got)
	}
}

func TestTLSIsVerified(t *testing.T) {
	id, other := newIdentity(t), newIdentity(t)
	l := tls.NewListener(listen(t, "tcp", "127.0.0.1:0"), id.config(t))
	server := serveStream(t, l)
	for name, target := range map[string]Target{
		"unknown authority": {Roots: other.roots, ServerName: "logs.test"},
		"wrong name":        {Roots: id.roots, ServerName: "other.test"},
		"address, no name":  {Roots: id.roots},
	} {
		t.Run(name, func(t *testing.T) {
			target.Network, target.Address = "tls", l.Addr().String()
			s := New(target, Options{Retry: soon})
			stop := start(t, s)
			s.Transition(expired())
			eventually(t, "down", func() bool { _, _, err := s.Down(); return err != nil })
			var failed *tls.CertificateVerificationError
			if _, _, err := s.Down(); !errors.As(err, &failed) {
				t.Errorf("error %v", err)
			}
			stop()
			if len(server.records) > 0 {
				t.Errorf("sent to a server that was not verified: %q", <-server.records)
			}
		})
	}
}

// TestChattyServer holds that a server that talks is not taken for one of syslog, and not listened to without end.
func TestChattyServer(t *testing.T) {
	l := listen(t, "tcp", "127.0.0.1:0")
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write(make([]byte, 1<<20))
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	s := New(Target{Network: "tcp", Address: l.Addr().String()}, Options{Retry: soon})
	start(t, s)
	eventually(t, "given up", func() bool { _, _, err := s.Down(); return errors.Is(err, errChatty) })
}

func TestStopFlushes(t *testing.T) {
	server := serveStream(t, listen(t, "tcp", "127.0.0.1:0"))
	s := New(Target{Network: "tcp", Address: server.Addr().String()}, Options{})
	for i := range 100 {
		s.Transition(numbered(i))
	}
	stop := start(t, s)
	stop() // perhaps before the first connection
	for i := range 100 {
		if got := next(t, server.records); !isNumber(got, i) {
			t.Fatalf("record %d is %q", i, got)
		}
	}
}

// TestStopIsBounded holds it for servers that would make one wait: away, silent in the handshake, not reading.
func TestStopIsBounded(t *testing.T) {
	silent := listenNarrow(t) // accepts in the kernel, and reads nothing
	closed := listen(t, "tcp", "127.0.0.1:0")
	_ = closed.Close()
	for name, target := range map[string]Target{
		"away":                    {Network: "tcp", Address: closed.Addr().String()},
		"silent in the handshake": {Network: "tls", Address: silent.Addr().String()},
		"not reading":             {Network: "tcp", Address: silent.Addr().String()},
		"unknown network":         {Network: "pigeon", Address: "loft"},
	} {
		t.Run(name, func(t *testing.T) {
			var log safeBuffer
			s := New(target, Options{Results: true, Logger: slog.New(slog.NewTextHandler(&log, nil))})
			stop := start(t, s)
			fill(s)
			if name == "not reading" {
				eventually(t, "the buffers are full", func() bool { return stalled(s) })
			}
			if took := stop(); took > flushWithin+closeWithin+busyMachine {
				t.Errorf("stop took %v", took)
			}
			if !strings.Contains(log.String(), "stopped before every record could be sent") {
				t.Errorf("log: %s", log.String())
			}
			if _, dropped, _ := s.Down(); dropped == 0 {
				t.Error("what was left is not counted")
			}
		})
	}
}

// busyMachine is what a bound may be overrun by where other tests want the processor too. It is far below writeWithin
// and dialWithin, which would be the wait without a bound.
const busyMachine = 2 * time.Second

func fill(s *Sink) {
	tr := expired()
	tr.Result.Detail = strings.Repeat("x", maxStream)
	record := s.target.format(transitionRecord(tr), s.source)
	for range queueSize {
		s.queue.put(record)
	}
}

// stalled fills the queue and says whether it stays full, because a write waits.
func stalled(s *Sink) bool {
	fill(s)
	_, before, _ := s.Down()
	s.Transition(expired())
	_, after, _ := s.Down()
	return after == before+1
}

func TestManyTellAtOnce(t *testing.T) {
	server := serveStream(t, listen(t, "tcp", "127.0.0.1:0"))
	s := New(Target{Network: "tcp", Address: server.Addr().String()}, Options{Results: true})
	start(t, s)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				s.Result(attacked().Result)
				s.Transition(attacked())
				_, _, _ = s.Down()
			}
		})
	}
	wg.Wait()
	for range 8 * 100 {
		parse(t, []byte(next(t, server.records)))
	}
}

func TestTargetString(t *testing.T) {
	s := New(Target{Network: "unix", Address: "/dev/log"}, Options{})
	if s.String() != "unix:///dev/log" {
		t.Error(s.String())
	}
	if _, ok := any(s).(interface {
		Result(check.Result)
		Transition(check.Transition)
	}); !ok {
		t.Error("no sink")
	}
}

// safeBuffer may be written by a logger and read by a test at once.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
