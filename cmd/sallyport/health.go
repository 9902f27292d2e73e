package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"sallyport/check"
	"sallyport/config"
)

// The checks of Sallyport itself.
const (
	checkConfiguration = "configuration"
	checkSinks         = "sinks"

	healthInterval = 2 * time.Second
	healthTimeout  = time.Second
)

// health is what Sallyport knows of itself: whether the configuration on disk is the one that runs, and whether the
// sinks can be written.
type health struct {
	down func() []string // the sinks that cannot be written, each in a sentence

	mu     sync.Mutex
	since  time.Time // when the running configuration was loaded
	reason string    // why a newer one was refused; empty when none was
}

func newHealth(down func() []string) *health { return &health{down: down, since: time.Now()} }

func (h *health) loaded() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.since, h.reason = time.Now(), ""
}

func (h *health) rejected(reason string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.reason = reason
}

func (h *health) checks(conf *config.Config) []check.Check {
	own := check.Check{
		Kind: check.KindSallyport, Interval: healthInterval, Timeout: healthTimeout, FailAfter: 1, RecoverAfter: 1,
	}
	configuration, reports := own, own
	configuration.Name, configuration.Target, configuration.Run = checkConfiguration, conf.File, h.configuration
	reports.Name, reports.Target, reports.Run = checkSinks, "reports", h.reports
	return []check.Check{configuration, reports}
}

func (h *health) configuration(context.Context) check.Result {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.reason == "" {
		return check.Result{Status: check.OK, Detail: "in force since " + h.since.UTC().Format(time.RFC3339)}
	}
	return check.Result{
		Status: check.Warn, Cause: check.ConfigRejected,
		Detail: fmt.Sprintf("a newer one was refused, that of %s stays: %s", h.since.UTC().Format(time.RFC3339), h.reason),
		Remedy: "Correct it (`sallyport config check` shows every error), then send SIGHUP again.",
	}
}

func (h *health) reports(context.Context) check.Result {
	down := h.down()
	if len(down) == 0 {
		return check.Result{Status: check.OK, Detail: "every sink takes what it is told"}
	}
	return check.Result{
		Status: check.Warn, Cause: check.SinkDown, Detail: strings.Join(down, "; "),
		Remedy: "See whether the server runs and whether this host reaches it; what waits is sent when it is back.",
	}
}
