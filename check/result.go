package check

import (
	"encoding/json"
	"time"
)

// Result is what one run of a check saw.
type Result struct {
	Check  string
	Kind   string
	Target string

	Status Status
	Cause  Cause  // empty when there is nothing to blame
	Layer  Layer  // the first layer that failed; follows from Cause
	Detail string // what was seen, in one sentence; untrusted text in it is already escaped
	Remedy string // what to do about it, in one sentence
	After  string // of a skipped one, the check whose failure made the run pointless

	Time      time.Time     // when the run began
	Duration  time.Duration // how long it took
	Endpoints []Endpoint    // each address or server that was tried
	Evidence  any           // facts, typed per kind; JSON-encodable
}

// Endpoint is what was seen at one address of a target.
type Endpoint struct {
	Address string // address:port, or a server
	Status  Status
	Cause   Cause
	Detail  string
	Phases  []Phase // in the order in which they happened; the last one is where it ended
}

// Phase is how long one step of an attempt took: dns, connect, tls, bind, search, ...
type Phase struct {
	Name     string
	Duration time.Duration
}

// Bad says whether the result counts towards a failing state. Unknown counts: what cannot be told is not well.
func (r Result) Bad() bool { return r.Status == Fail || r.Status == Unknown }

type endpointJSON struct {
	Address string             `json:"address"`
	Status  Status             `json:"status"`
	Cause   Cause              `json:"cause"`
	Detail  string             `json:"detail,omitempty"`
	Phases  map[string]float64 `json:"phases_ms"`
}

type resultJSON struct {
	Check      string          `json:"check"`
	Kind       string          `json:"kind"`
	Target     string          `json:"target"`
	Status     Status          `json:"status"`
	Cause      Cause           `json:"cause"`
	Layer      Layer           `json:"layer"`
	Detail     string          `json:"detail"`
	Remedy     string          `json:"remedy"`
	After      string          `json:"after,omitempty"`
	Time       time.Time       `json:"time"`
	DurationMS float64         `json:"duration_ms"`
	Endpoints  []Endpoint      `json:"endpoints,omitempty"`
	Evidence   json.RawMessage `json:"evidence,omitempty"`
}

// MarshalJSON writes the result in the shape of schema 1: durations in milliseconds, times in UTC.
func (r Result) MarshalJSON() ([]byte, error) {
	var evidence json.RawMessage
	if r.Evidence != nil {
		raw, err := json.Marshal(r.Evidence)
		if err != nil {
			return nil, err
		}
		evidence = raw
	}
	return json.Marshal(resultJSON{
		Check: r.Check, Kind: r.Kind, Target: r.Target, Status: r.Status, Cause: r.Cause, Layer: r.Layer,
		Detail: r.Detail, Remedy: r.Remedy, After: r.After, Time: r.Time.UTC(), DurationMS: milliseconds(r.Duration),
		Endpoints: r.Endpoints, Evidence: evidence,
	})
}

// UnmarshalJSON reads a result of schema 1. Evidence is kept as raw JSON.
func (r *Result) UnmarshalJSON(data []byte) error {
	var j resultJSON
	if err := json.Unmarshal(data, &j); err != nil {
		return err
	}
	*r = Result{
		Check: j.Check, Kind: j.Kind, Target: j.Target, Status: j.Status, Cause: j.Cause, Layer: j.Layer,
		Detail: j.Detail, Remedy: j.Remedy, After: j.After, Time: j.Time, Duration: duration(j.DurationMS),
		Endpoints: j.Endpoints,
	}
	if len(j.Evidence) > 0 {
		r.Evidence = j.Evidence
	}
	return nil
}

// MarshalJSON writes the endpoint with its phases as a map of milliseconds.
func (e Endpoint) MarshalJSON() ([]byte, error) {
	phases := make(map[string]float64, len(e.Phases))
	for _, p := range e.Phases {
		phases[p.Name] = milliseconds(p.Duration)
	}
	return json.Marshal(endpointJSON{Address: e.Address, Status: e.Status, Cause: e.Cause, Detail: e.Detail, Phases: phases})
}

// UnmarshalJSON reads an endpoint; its phases come back in the order of PhaseNames, unknown ones last.
func (e *Endpoint) UnmarshalJSON(data []byte) error {
	var j endpointJSON
	if err := json.Unmarshal(data, &j); err != nil {
		return err
	}
	*e = Endpoint{Address: j.Address, Status: j.Status, Cause: j.Cause, Detail: j.Detail, Phases: orderedPhases(j.Phases)}
	return nil
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func duration(ms float64) time.Duration { return time.Duration(ms * float64(time.Millisecond)) }
