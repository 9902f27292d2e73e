package metrics

import (
	"maps"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"sallyport/check"
)

// Metrics holds what is known now. Its methods may be called by many goroutines.
type Metrics struct {
	version string
	ours    *prometheus.Registry // the checks, the firewall, the sinks
	process *prometheus.Registry // this process: its memory, descriptors, goroutines

	mu       sync.Mutex
	checks   map[string]*entry
	retained map[string]bool // nil: any
	firewall *Firewall
	sinks    map[string]Sink
	verdict  func() check.Cause // nil: there is none
}

// entry is what is known of one check.
type entry struct {
	kind        string
	result      observation
	runs        [len(statuses)]uint64 // by position in statuses
	transitions [len(statuses)]uint64
	state       check.Status
	believed    bool // state was told
}

// statuses are check.Statuses in a form whose length is known when compiled; a test holds them together.
var statuses = [...]check.Status{ //nolint:gochecknoglobals // an array cannot be a constant
	check.OK, check.Warn, check.Fail, check.Unknown, check.Skipped, check.Waived,
}

// New makes metrics that know nothing yet but the version of the program.
func New(version string) *Metrics {
	m := &Metrics{
		version: version,
		ours:    prometheus.NewRegistry(),
		process: prometheus.NewRegistry(),
		checks:  map[string]*entry{},
	}
	m.ours.MustRegister(collector{m, newFamilies()})
	m.process.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return m
}

// Result takes over what a run saw.
func (m *Metrics) Result(r check.Result) {
	seen := observe(r)
	m.mu.Lock()
	defer m.mu.Unlock()
	if e := m.entry(r.Check); e != nil {
		e.kind, e.result = seen.kind, seen
		e.runs[index(r.Status)]++
	}
}

// Transition takes over what the daemon believes of a check.
func (m *Metrics) Transition(t check.Transition) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e := m.entry(t.Check); e != nil {
		e.kind = label(t.Result.Kind)
		e.state, e.believed = t.To, true
		e.transitions[index(t.To)]++
	}
}

// entry is the one of the check; nil where the check is not, or no longer, one to tell of. The lock is held.
func (m *Metrics) entry(name string) *entry {
	if m.retained != nil && !m.retained[name] {
		return nil
	}
	e := m.checks[name]
	if e == nil {
		e = &entry{}
		m.checks[name] = e
	}
	return e
}

// Retain says which checks there are from now on. The series of others end, and a late result of one of those does not
// bring them back.
func (m *Metrics) Retain(names []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.retained = make(map[string]bool, len(names))
	for _, name := range names {
		m.retained[name] = true
	}
	maps.DeleteFunc(m.checks, func(name string, _ *entry) bool { return !m.retained[name] })
}

// Firewall is what the guard knows of the ruleset.
type Firewall struct {
	InForce  bool      // the compiled ruleset is what the kernel has
	Repairs  uint64    // how often it was put back, since the guard's start
	Counters []Counter // the ruleset's own

	Knocking *Knocking // who knocked within the last hour; nil where that is not known
	Refused  int       // where the host wanted to go and may not, by address, port and user; only with Knocking
}

// Knocking is how many addresses knocked.
type Knocking struct {
	IPv4, IPv6 int
}

// Counter is a named counter of the ruleset.
type Counter struct {
	Name    string
	Packets uint64
	Bytes   uint64
}

// SetFirewall takes over what the guard knows; nil when nobody knows.
func (m *Metrics) SetFirewall(f *Firewall) {
	if f != nil {
		own := *f
		own.Counters = slices.Clone(f.Counters)
		f = &own
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.firewall = f
}

// Sink can be asked whether what it writes to is away: since when (zero: it is there), how many records it lost since
// the start, and why it is away.
type Sink interface {
	Down() (since time.Time, dropped uint64, err error)
}

// SetSinks says which sinks there are, by name. They are asked at each scrape.
func (m *Metrics) SetSinks(sinks map[string]Sink) {
	own := maps.Clone(sinks)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sinks = own
}

// SetVerdict says whom to ask, at each scrape, for the cause of the most urgent root of all that is not well; empty where
// there is nothing to blame. It must be bounded in time.
func (m *Metrics) SetVerdict(ask func() check.Cause) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.verdict = ask
}

// index is the position of a status in statuses; what is no status counts as unknown.
func index(s check.Status) int {
	if i := slices.Index(statuses[:], s); i >= 0 {
		return i
	}
	return slices.Index(statuses[:], check.Unknown)
}

func goVersion() string { return runtime.Version() }
