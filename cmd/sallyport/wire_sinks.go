package main

import (
	"context"
	"crypto/x509"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"sallyport/config"
	"sallyport/monitor"
	"sallyport/report/history"
	"sallyport/report/metrics"
	"sallyport/report/syslog"
)

const (
	syslogRetryFirst   = time.Second
	syslogRetryLongest = time.Minute

	// textfileInterval is Prometheus's usual scrape interval: fresher would not be read.
	textfileInterval = 15 * time.Second
)

// wanted is an output that a configuration has, not made yet.
type wanted struct {
	key    string
	output func() (*output, error)
}

func (s *sinks) wanted(conf *config.Config) []wanted {
	var list []wanted
	for _, c := range conf.Report.Syslog {
		list = append(list, wanted{
			key:    strings.TrimSpace(fmt.Sprintf("syslog %s://%s %s", c.Network, c.Address, c.CAFile)),
			output: func() (*output, error) { return s.syslog(c) },
		})
	}
	if listen := conf.Report.Metrics; listen != "" {
		list = append(list, wanted{key: "metrics " + listen, output: func() (*output, error) { return s.listen(listen) }})
	}
	if path := conf.Report.Textfile; path != "" {
		list = append(list, wanted{key: "textfile " + path, output: func() (*output, error) {
			file := &textfile{metrics: s.metrics, path: path}
			return &output{run: file.run, asked: file}, nil
		}})
	}
	if h := conf.Report.History; h != nil {
		list = append(list, wanted{
			key:    fmt.Sprintf("history %s %s", h.Path, h.Keep),
			output: func() (*output, error) { return s.history(*h) },
		})
	}
	return list
}

func (s *sinks) history(c config.History) (*output, error) {
	// It bounds its own opening.
	sink, err := history.New(context.Background(), c.Path, history.Options{Keep: c.Keep, Logger: s.log})
	if err != nil {
		return nil, fmt.Errorf("report.history: %w", err)
	}
	return &output{sink: sink, run: sink.Run, asked: sink, abandon: func() { _ = sink.Close() }}, nil
}

func (s *sinks) syslog(c config.Syslog) (*output, error) {
	target := syslog.Target{Network: c.Network, Address: c.Address}
	if c.CAFile != "" {
		pem, err := os.ReadFile(c.CAFile)
		if err != nil {
			return nil, fmt.Errorf("report.syslog: ca_file: %w", err)
		}
		target.Roots = x509.NewCertPool()
		if !target.Roots.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("report.syslog: ca_file: %s has no PEM certificate", c.CAFile)
		}
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, err
	}
	sink := syslog.New(target, syslog.Options{
		Hostname: host,
		Logger:   s.log,
		Retry: func() func() time.Duration {
			return monitor.NewRetry(syslogRetryFirst, syslogRetryLongest).Next
		},
	})
	return &output{sink: sink, run: sink.Run, asked: sink}, nil
}

func (s *sinks) listen(address string) (*output, error) {
	listener, err := metrics.Listen(context.Background(), address)
	if err != nil {
		return nil, fmt.Errorf("report.metrics.listen: %w", err)
	}
	return &output{
		run:     func(ctx context.Context) error { return s.metrics.Serve(ctx, listener) },
		abandon: func() { _ = listener.Close() },
	}, nil
}

// textfile writes the metrics to a file now and then.
type textfile struct {
	metrics *metrics.Metrics
	path    string

	mu    sync.Mutex
	since time.Time
	err   error
}

func (t *textfile) run(ctx context.Context) error {
	ticker := time.NewTicker(textfileInterval)
	defer ticker.Stop()
	for {
		t.write()
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

func (t *textfile) write() {
	err := t.metrics.WriteTextfile(t.path)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err = err; err == nil {
		t.since = time.Time{}
	} else if t.since.IsZero() {
		t.since = time.Now()
	}
}

// Down says since when the file cannot be written, and why. What is not written is in the next file.
func (t *textfile) Down() (since time.Time, dropped uint64, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.since, 0, t.err
}
