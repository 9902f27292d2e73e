package metrics

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/net/netutil"
)

// Bounds of what a client can ask for.
const (
	maxConnections = 32
	maxScrapes     = 4 // at once; more are answered with 503
	maxHeaders     = 8 << 10
	readWithin     = 5 * time.Second
	writeWithin    = 15 * time.Second
	idleWithin     = 3 * time.Minute // longer than Prometheus's usual interval, so that it keeps its connection
	stopWithin     = 500 * time.Millisecond
)

// Handler answers /metrics, /-/healthy and, for a person, /.
func (m *Metrics) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(prometheus.Gatherers{m.ours, m.process},
		promhttp.HandlerOpts{MaxRequestsInFlight: maxScrapes}))
	mux.HandleFunc("GET /-/healthy", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") })
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, indexPage)
	})
	return mux
}

const indexPage = `<!doctype html><html lang="en"><title>Sallyport</title><h1>Sallyport</h1>
<p><a href="/metrics">metrics</a> <a href="/-/healthy">healthy</a></p></html>
`

// Listen opens the address, host:port, for Serve.
func Listen(ctx context.Context, address string) (net.Listener, error) {
	var config net.ListenConfig
	config.SetMultipathTCP(false) // a sandbox that forbids MPTCP sockets would end the process for asking
	l, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen for metrics: %w", err)
	}
	return l, nil
}

// Serve answers on the listener until ctx ends; then it closes it and returns nil, within half a second.
func (m *Metrics) Serve(ctx context.Context, l net.Listener) error {
	server := &http.Server{
		Handler:           m.Handler(),
		ReadHeaderTimeout: readWithin,
		ReadTimeout:       readWithin,
		WriteTimeout:      writeWithin,
		IdleTimeout:       idleWithin,
		MaxHeaderBytes:    maxHeaders,
	}
	stopped := make(chan struct{})
	undo := context.AfterFunc(ctx, func() {
		defer close(stopped)
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
		defer cancel()
		if server.Shutdown(end) != nil {
			_ = server.Close() // a client that does not end is ended
		}
	})
	err := server.Serve(netutil.LimitListener(l, maxConnections))
	if !undo() {
		<-stopped
	}
	if !errors.Is(err, http.ErrServerClosed) { // which is what it returns when it was stopped
		return fmt.Errorf("serve metrics: %w", err)
	}
	return nil
}
