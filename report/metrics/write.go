package metrics

import (
	"fmt"
	"io"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"

	"sallyport/check"
)

// WriteTextfile writes the metrics to a file for node_exporter's textfile collector: to a temporary file in the same
// folder, which then takes the place of path, so that no reader sees half of it. The mode is 0644, for node_exporter is
// another user. The series of the process itself are left out: node_exporter has its own of the same names, and refuses
// a second set.
func (m *Metrics) WriteTextfile(path string) error {
	if err := prometheus.WriteToTextfile(path, m.ours); err != nil {
		return fmt.Errorf("write metrics to %s: %w", path, err)
	}
	return nil
}

// WriteOnce writes the series of these results alone, in Prometheus's text format: what a command that ran each check
// once has to tell. Where two results are of one check the later one counts.
func WriteOnce(w io.Writer, version string, results []check.Result) error {
	return WriteJudged(w, version, results, nil)
}

// WriteJudged is WriteOnce with the verdict on the results, as SetVerdict has it.
func WriteJudged(w io.Writer, version string, results []check.Result, verdict func() check.Cause) error {
	m := New(version)
	m.SetVerdict(verdict)
	for _, r := range results {
		m.Result(r)
	}
	gathered, err := m.ours.Gather()
	if err != nil {
		return fmt.Errorf("gather metrics: %w", err)
	}
	for _, family := range gathered {
		if _, err := expfmt.MetricFamilyToText(w, family); err != nil {
			return fmt.Errorf("write metrics: %w", err)
		}
	}
	return nil
}
