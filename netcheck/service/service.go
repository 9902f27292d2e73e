package service

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"sallyport/check"
)

// Name is the name of the check.
const Name = "service"

const (
	maxDetailed = 3 // findings and connections that the detail tells
	maxKnown    = 4096
)

// ErrNoUser says that the host has no user of the service's name.
var ErrNoUser = errors.New("the service's user is not there")

// Settings is what the check of the service is made of.
type Settings struct {
	User string
	// Connections lists the user's connections now; its error may be ErrNoUser.
	Connections func(context.Context) (Sample, error)
	Log         *Log                  // nil: none is configured
	Targets     []Target              // what the checks ask
	Addresses   *Addresses            // where their names lead
	Latest      func() []check.Result // of the other checks; nil: they are not run
}

// Service is the check of the service. It is safe for concurrent use.
type Service struct {
	settings Settings
	knowledge

	mu       sync.Mutex
	first    map[uint64]seen // by a connection's ID
	lastSeen time.Time
	lastTo   string
}

// seen is since when a connection is in a state.
type seen struct {
	state State
	since time.Time
}

// New makes the check of the service.
func New(s Settings) *Service {
	if s.Addresses == nil {
		s.Addresses = new(Addresses)
	}
	return &Service{settings: s, knowledge: knowledge{s.Targets, s.Addresses}}
}

// Run looks at the service once.
func (s *Service) Run(ctx context.Context) check.Result {
	now := time.Now()
	sample, err := s.settings.Connections(ctx)
	if err != nil {
		return untold(s.settings.User, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	since := s.remember(sample.Connections, now)
	findings := s.judge(sample.Connections, since)
	evidence := &Evidence{
		User: s.settings.User, UID: sample.UID, Total: sample.Total, Connections: s.show(sample.Connections, since),
		Findings: findings[:min(len(findings), maxShown)], met: findings,
	}
	if !s.lastSeen.IsZero() {
		evidence.LastSeen = new(s.lastSeen.UTC())
	}
	r := check.Result{Evidence: evidence}
	r.Status, r.Cause = worst(findings)
	r.Detail = s.connected(sample, now)
	switch {
	case r.Status != check.OK:
		r.Detail, r.Remedy = told(findings), findings[0].remedy
	case len(findings) > 0:
		r.Detail += "; " + told(findings)
	}
	return s.withLog(r, evidence, now)
}

// untold is the result where the connections cannot be listed.
func untold(user string, err error) check.Result {
	r := check.Result{
		Status: check.Unknown, Cause: check.UnknownIn(check.LayerPosture), Detail: err.Error(),
		Remedy: "Run the guard, which may list them, or see why /proc/net/tcp cannot be read.",
	}
	if errors.Is(err, ErrNoUser) {
		r.Remedy = fmt.Sprintf("Create the user, or correct service.user; for a user of a directory's, the number that "+
			"`id -u %s` prints may stand there.", user)
	}
	return r
}

// remember keeps since when each connection is in its state, and tells it.
func (s *Service) remember(list []Connection, now time.Time) func(Connection) time.Duration {
	next := make(map[uint64]seen, len(list))
	for _, c := range list[:min(len(list), maxKnown)] {
		before, known := s.first[c.ID]
		if !known || before.state != c.State {
			before = seen{c.State, now}
		}
		next[c.ID] = before
		s.lastSeen, s.lastTo = now, s.place(c.Remote)
	}
	s.first = next
	return func(c Connection) time.Duration {
		if at, known := next[c.ID]; known {
			return now.Sub(at.since)
		}
		return 0
	}
}

// connected is the connections in a sentence.
func (s *Service) connected(sample Sample, now time.Time) string {
	if sample.Total == 0 {
		if s.lastSeen.IsZero() {
			return "no connection of " + s.settings.User + " now"
		}
		return fmt.Sprintf("no connection of %s now; last seen %s ago, to %s", s.settings.User, span(now.Sub(s.lastSeen)),
			s.lastTo)
	}
	noun := "connections"
	if sample.Total == 1 {
		noun = "connection"
	}
	var list []string
	for _, c := range sample.Connections[:min(len(sample.Connections), maxDetailed)] {
		list = append(list, s.place(c.Remote)+" "+c.words())
	}
	return fmt.Sprintf("%d %s of %s: %s%s", sample.Total, noun, s.settings.User, strings.Join(list, "; "),
		more(sample.Total-len(list)))
}

// told is findings in a sentence.
func told(findings []Finding) string {
	var list []string
	for _, f := range findings[:min(len(findings), maxDetailed)] {
		list = append(list, f.Detail)
	}
	return strings.Join(list, "; ") + more(len(findings)-len(list))
}

func more(n int) string {
	if n <= 0 {
		return ""
	}
	return fmt.Sprintf(", and %d more", n)
}

// withLog puts what the log complains of beside what was found.
func (s *Service) withLog(r check.Result, evidence *Evidence, now time.Time) check.Result {
	if s.settings.Log == nil {
		return r
	}
	list, err := s.settings.Log.Look(now)
	var latest []check.Result
	if s.settings.Latest != nil {
		latest = s.settings.Latest()
	}
	var told *Complaint // the latest that no check finds, for what one finds stands beside it; else the latest
	var beside string
	alone := false
	for _, c := range slices.Backward(list) {
		agree, words := s.compare(c, latest)
		recent := now.Sub(c.Time) < complainsFor
		evidence.Complaints = append(evidence.Complaints, Complained{Complaint: c, Agrees: agree, recent: recent})
		news := len(agree) == 0 && len(latest) > 0 && recent
		if told == nil || news && !alone {
			told, beside, alone = &c, words, news
		}
	}
	if told != nil {
		r = complained(r, *told, beside, now)
	}
	if err != nil {
		evidence.Log = err.Error()
		r = unread(r, err)
	}
	return r
}

// complained is a result with the latest complaint told, which is a warning where it is of now.
func complained(r check.Result, c Complaint, words string, now time.Time) check.Result {
	r.Detail += fmt.Sprintf("; its log said %s ago: %s (%s)", span(max(0, now.Sub(c.Time))), quoted(c.Text), c.Cause)
	if words != "" {
		r.Detail += "; " + words
	}
	if now.Sub(c.Time) < complainsFor && r.Status == check.OK {
		r.Status, r.Cause = check.Warn, c.Cause
		r.Remedy = fmt.Sprintf("See %s around that line; `sallyport explain %s` says what mends it. "+
			"If the tool speaks to a server that no check asks, add one.", c.File, c.Cause)
	}
	return r
}

// unread is a result that would be well, were it not for a log that cannot be read.
func unread(r check.Result, err error) check.Result {
	r.Detail += "; " + err.Error()
	if r.Status == check.OK {
		r.Status, r.Cause = check.Unknown, check.UnknownIn(check.LayerPosture)
		r.Remedy = "Let Sallyport's own user read it: add it to the group that the log has, or correct service.log."
	}
	return r
}
