package metrics

import (
	"maps"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"sallyport/check"
)

// collector makes the series of one scrape.
type collector struct {
	m *Metrics
	families
}

// Describe lists what there may be.
func (c collector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range c.all() {
		out <- d
	}
}

// Collect makes what there is. The lock is not held while it waits for the reader, or asks a sink.
func (c collector) Collect(out chan<- prometheus.Metric) {
	c.m.mu.Lock()
	checks := make(map[string]entry, len(c.m.checks))
	for name, e := range c.m.checks {
		checks[label(name)] = *e
	}
	firewall := c.m.firewall
	sinks, verdict := maps.Clone(c.m.sinks), c.m.verdict
	c.m.mu.Unlock()

	series := emitter(out)
	series.gauge(c.buildInfo, 1, label(c.m.version), goVersion())
	for name, e := range checks {
		if e.result.taken {
			c.run(series, name, e)
			c.probe(series, name, e)
		}
		c.belief(series, name, e)
	}
	if verdict != nil {
		cause := verdict()
		series.gauge(c.verdict, 1, label(string(cause)), label(string(cause.Layer())))
	}
	if firewall != nil {
		c.ruleset(series, firewall)
	}
	for name, sink := range sinks {
		since, dropped, _ := sink.Down()
		series.gauge(c.sinkDown, one(!since.IsZero()), label(name))
		series.counter(c.sinkDropped, dropped, label(name))
	}
}

// run makes Sallyport's own series of the last run.
func (c collector) run(series emitter, name string, e entry) {
	r := e.result
	series.gauge(c.info, 1, name, e.kind, r.target)
	series.gauge(c.status, float64(r.status.ExitCode()), name, e.kind, r.cause)
	series.gauge(c.lastRun, unix(r.time), name, e.kind)
	for _, p := range r.phases {
		series.gauge(c.phase, p.Duration.Seconds(), name, e.kind, p.Name)
	}
	for i, s := range statuses {
		series.counter(c.runs, e.runs[i], name, e.kind, s.String())
	}
}

// probe makes the series that blackbox_exporter has too.
func (c collector) probe(series emitter, name string, e entry) {
	r := e.result
	if r.status == check.Skipped {
		return // nothing was probed
	}
	if r.status != check.Waived {
		series.gauge(c.success, one(r.status == check.OK || r.status == check.Warn), name, e.kind)
	}
	series.gauge(c.duration, r.took.Seconds(), name, e.kind)
	for _, p := range r.phases {
		if p.Name == "dns" {
			series.gauge(c.dnsLookup, p.Duration.Seconds(), name, e.kind)
		}
	}
	if r.tls.version != "" {
		series.gauge(c.tlsVersion, 1, name, e.kind, r.tls.version)
	}
	if !r.tls.expiry.IsZero() {
		series.gauge(c.certExpiry, unix(r.tls.expiry), name, e.kind)
	}
}

// belief makes the series of what the daemon believes.
func (c collector) belief(series emitter, name string, e entry) {
	if !e.believed {
		return
	}
	for i, s := range statuses {
		series.gauge(c.state, one(s == statuses[index(e.state)]), name, e.kind, s.String())
		series.counter(c.transitions, e.transitions[i], name, e.kind, s.String())
	}
}

func (c collector) ruleset(series emitter, f *Firewall) {
	series.gauge(c.inForce, one(f.InForce))
	series.counter(c.repairs, f.Repairs)
	if f.Knocking != nil {
		series.gauge(c.knocking, float64(f.Knocking.IPv4), "ipv4")
		series.gauge(c.knocking, float64(f.Knocking.IPv6), "ipv6")
		series.gauge(c.refused, float64(f.Refused))
	}
	seen := map[string]bool{}
	for _, counter := range f.Counters {
		name := label(counter.Name)
		if seen[name] {
			continue
		}
		seen[name] = true
		series.counter(c.drops, counter.Packets, name)
		series.counter(c.dropBytes, counter.Bytes, name)
	}
}

// emitter takes series.
type emitter chan<- prometheus.Metric

func (e emitter) gauge(d *prometheus.Desc, value float64, labels ...string) {
	e <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
}

func (e emitter) counter(d *prometheus.Desc, value uint64, labels ...string) {
	e <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(value), labels...)
}

func one(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// unix is the time in seconds since 1970, to the millisecond; zero for no time.
func unix(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}
