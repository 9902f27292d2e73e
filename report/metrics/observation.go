package metrics

import (
	"encoding/json"
	"time"

	"sallyport/check"
	"sallyport/report"
)

// observation is what the series of a check are made of: labels are safe and bounded, and the evidence is let go.
type observation struct {
	taken  bool // there was a result
	kind   string
	target string
	status check.Status
	cause  string
	time   time.Time
	took   time.Duration
	phases []check.Phase // each once
	tls    tlsFacts
}

// Limits of what a result may bring along.
const (
	maxLabel  = 256 // bytes of a label's value
	maxPhases = 16  // phases of one check
)

func observe(r check.Result) observation {
	return observation{
		taken:  true,
		kind:   label(r.Kind),
		target: label(r.Target),
		status: r.Status,
		cause:  label(string(r.Cause)),
		time:   r.Time,
		took:   r.Duration,
		phases: slowest(r.Endpoints),
		tls:    tlsFactsOf(r),
	}
}

func label(s string) string { return report.Printable(s, maxLabel) }

// slowest gives each phase once, with the longest time that it took at any endpoint: what one notices first. A series for
// each address would be one for each that a name ever resolves to.
func slowest(endpoints []check.Endpoint) []check.Phase {
	var phases []check.Phase
	at := map[string]int{}
	for _, e := range endpoints {
		for _, p := range e.Phases {
			name := label(p.Name)
			i, known := at[name]
			switch {
			case known:
				phases[i].Duration = max(phases[i].Duration, p.Duration)
			case len(phases) < maxPhases:
				at[name] = len(phases)
				phases = append(phases, check.Phase{Name: name, Duration: p.Duration})
			}
		}
	}
	return phases
}

// tlsFacts is what metrics tell of a TLS connection.
type tlsFacts struct {
	version string    // as in TLS 1.3; empty where none was made
	expiry  time.Time // when the first of the certificates ends; zero where none was shown
}

// tlsEvidence is evidence that can say so itself.
type tlsEvidence interface {
	TLSVersion() string        // TLS 1.3; empty where none was agreed on
	EarliestExpiry() time.Time // of the certificates shown; zero where there are none
}

// tlsFactsOf reads the evidence of a TLS or LDAPS check: by its methods, and where it has none or has crossed a process
// border, by its JSON, whose shape is part of schema 1.
func tlsFactsOf(r check.Result) tlsFacts {
	if r.Kind != check.KindTLS && r.Kind != check.KindLDAPS || r.Evidence == nil {
		return tlsFacts{}
	}
	if e, ok := r.Evidence.(tlsEvidence); ok {
		return tlsFacts{version: label(e.TLSVersion()), expiry: e.EarliestExpiry()}
	}
	data, err := json.Marshal(r.Evidence)
	if err != nil {
		return tlsFacts{}
	}
	var j evidenceJSON
	if json.Unmarshal(data, &j) != nil {
		return tlsFacts{}
	}
	return j.facts()
}

// evidenceJSON is the part of the evidence of a TLS check that is of use here. That of an LDAPS check has it below tls.
type evidenceJSON struct {
	Version      string `json:"version"`
	Certificates []struct {
		NotAfter time.Time `json:"not_after"`
	} `json:"certificates"`
	Others []evidenceJSON `json:"others"`
	TLS    *evidenceJSON  `json:"tls"`
}

func (j evidenceJSON) facts() tlsFacts {
	if j.TLS != nil {
		return j.TLS.facts()
	}
	facts := tlsFacts{version: label(j.Version)}
	for _, c := range j.Certificates {
		facts.expiry = earlier(facts.expiry, c.NotAfter)
	}
	for _, other := range j.Others {
		more := other.facts()
		facts.expiry = earlier(facts.expiry, more.expiry)
		if facts.version == "" {
			facts.version = more.version
		}
	}
	return facts
}

// earlier is the earlier of two times, where zero is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
