package service

import (
	"slices"
	"strings"
	"time"

	"sallyport/check"
)

// maxComplaints bounds the complaints that are kept: those of the same cause about the same host are one.
const maxComplaints = 16

// Complaint is what the service's log complains of.
type Complaint struct {
	Cause check.Cause `json:"cause"`
	Text  string      `json:"text"`           // the sentence: escaped, cut, without secrets
	Host  string      `json:"host,omitempty"` // whom it is about; empty where it does not say
	File  string      `json:"file"`           // the name of the log
	Time  time.Time   `json:"time"`           // of the latest: by the log's own words, else when the log was written
	Count int         `json:"count"`          // since the log is being read
}

// complaints are those of a log, the latest last.
type complaints []Complaint

// add takes a complaint, or counts it to one that it is like.
func (list complaints) add(c Complaint) complaints {
	c.Count = 1
	at := slices.IndexFunc(list, func(o Complaint) bool { return o.Cause == c.Cause && strings.EqualFold(o.Host, c.Host) })
	if at >= 0 {
		c.Count += list[at].Count
		if c.Time.Before(list[at].Time) {
			c.Time, c.Text, c.File = list[at].Time, list[at].Text, list[at].File
		}
		list = slices.Delete(list, at, at+1)
	}
	after := func(o Complaint) bool { return o.Time.After(c.Time) }
	if at = slices.IndexFunc(list, after); at < 0 {
		at = len(list)
	}
	list = slices.Insert(list, at, c)
	return list[max(0, len(list)-maxComplaints):]
}

// reading is how far a file was read: what its lines so far say of those that follow.
type reading struct {
	at    time.Time  // what the last line with a time said; zero: none did
	trace *Complaint // of the stack trace in which the next line may stand; nil: of none
}

// line takes one line of a file that was last written at a time. A stack trace is one complaint, which its innermost cause
// names. What done returns is complete.
func (r *reading) line(line string, written time.Time) (done *Complaint) {
	switch {
	case strings.HasPrefix(line, "Caused by: "):
		inner, found := complaint(line)
		if r.trace == nil && found {
			inner.Time = r.time(written)
			r.trace = &inner
		} else if found && inner.Cause != r.trace.Cause {
			inner.Time, inner.Host = r.trace.Time, first(inner.Host, r.trace.Host)
			r.trace = &inner
		}
		return nil
	case strings.HasPrefix(line, "\t"), strings.HasPrefix(line, "    at "), strings.HasPrefix(line, "Suppressed: "):
		return nil
	}
	done, r.trace = r.trace, nil
	at, rest, stamped := stamp(line)
	if stamped && at.Before(written.Add(time.Minute)) {
		r.at, line = at, rest
	}
	if c, found := complaint(line); found {
		c.Time = r.time(written)
		r.trace = &c
	}
	return done
}

// time is when a line was written: the lines of a stack trace have no time of their own.
func (r *reading) time(written time.Time) time.Time {
	if !r.at.IsZero() {
		return r.at
	}
	return written
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
