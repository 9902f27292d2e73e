package metrics

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sallyport/check"

	"sallyport/report/internal/golden"
)

const patience = 15 * time.Second

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

func TestHandler(t *testing.T) {
	server := httptest.NewServer(everything().Handler())
	defer server.Close()
	for path, want := range map[string]struct {
		status int
		holds  string
	}{
		"/metrics":   {200, `probe_success{check="code42-console",kind="tls"} 0`},
		"/-/healthy": {200, "ok"},
		"/":          {200, `href="/metrics"`},
		"/other":     {404, "not found"},
	} {
		if status, body := get(t, server.URL+path); status != want.status || !strings.Contains(body, want.holds) {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	_, body := get(t, server.URL+"/metrics")
	for _, of := range []string{"go_goroutines ", "process_open_fds ", "sallyport_build_info{"} {
		if !strings.Contains(body, of) {
			t.Errorf("no %s", of)
		}
	}
	response, err := http.Post(server.URL+"/metrics", "text/plain", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST: %s", response.Status)
	}
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// TestServe holds that it answers, and stops in time with a client that holds its connection without asking.
func TestServe(t *testing.T) {
	l := listen(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- everything().Serve(ctx, l) }()
	if status, _ := get(t, "http://"+l.Addr().String()+"/metrics"); status != http.StatusOK {
		t.Errorf("status %d", status)
	}
	slow, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = slow.Close() }()
	if _, err := io.WriteString(slow, "GET /metrics HTTP/1.1\r\n"); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	cancel()
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("Serve returned %v", err)
		}
	case <-time.After(patience):
		t.Fatal("Serve did not return")
	}
	if took := time.Since(began); took > stopWithin+2*time.Second { // readWithin is what it would take otherwise
		t.Errorf("stop took %v", took)
	}
}

func TestServeLargeHeader(t *testing.T) {
	l := listen(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- New("").Serve(ctx, l) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	url := "http://" + l.Addr().String() + "/metrics"
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X", strings.Repeat("x", 64<<10))
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("status %s", response.Status)
	}
}

func TestListenRefuses(t *testing.T) {
	taken := listen(t)
	for _, address := range []string{taken.Addr().String(), "nonsense", "192.0.2.1:9636"} {
		_, err := Listen(t.Context(), address)
		if err == nil || !strings.HasPrefix(err.Error(), "listen for metrics: ") {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestWriteTextfile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "sallyport.prom")
	m := everything()
	for range 2 { // the second time there is one already
		if err := m.WriteTextfile(path); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.ReplaceAll(string(data), goVersion(), "GOVERSION"); got != exposition(t, m) {
		t.Errorf("%s", got)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o644 {
		t.Errorf("%v, mode %v", err, info.Mode())
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("%d files are left", len(entries))
	}
	if err := m.WriteTextfile(filepath.Join(dir, "none", "x.prom")); err == nil || !strings.Contains(err.Error(), "none") {
		t.Errorf("a folder that is not there: %v", err)
	}
}

// TestVerdict: one series, asked for at each scrape; its labels are empty where there is nothing to blame.
func TestVerdict(t *testing.T) {
	for cause, want := range map[check.Cause]string{
		"":               `sallyport_verdict{cause="",layer=""} 1`,
		check.DNSTimeout: `sallyport_verdict{cause="dns.timeout",layer="dns"} 1`,
	} {
		var b bytes.Buffer
		if err := WriteJudged(&b, "1.2.3", nil, func() check.Cause { return cause }); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(b.String(), want) || strings.Count(b.String(), "sallyport_verdict{") != 1 {
			t.Errorf("no %s in:\n%s", want, &b)
		}
	}
}

func TestWriteOnce(t *testing.T) {
	var b bytes.Buffer
	if err := WriteOnce(&b, "1.2.3", []check.Result{resolved(), expired(), skipped()}); err != nil {
		t.Fatal(err)
	}
	golden.Compare(t, "once.prom", strings.ReplaceAll(b.String(), goVersion(), "GOVERSION"))
	if err := WriteOnce(full{}, "", nil); err == nil {
		t.Error("a write error is lost")
	}
}

// full is a disk without room.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, io.ErrShortWrite }
