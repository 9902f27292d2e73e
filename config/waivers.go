package config

import (
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

func waiverForm() form[Waiver] {
	return object([]key[Waiver]{
		field("check", "The check, as it is named in results.", waived(), func(w *Waiver) *string { return &w.Check }).
			needed().sample("posture.least.remote"),
		field("reason", "Why this is accepted, for whoever reads it next.", text(),
			func(w *Waiver) *string { return &w.Reason }).
			needed().sample(`"break-glass until migration"`),
		field("expires", "The first day on which it no longer holds, from 00:00 UTC.", dates(),
			func(w *Waiver) *time.Time { return &w.Expires }).needed().sample("2027-03-01"),
	}, func(r *reader, f *found, w *Waiver) {
		w.at = r.place(f.at("expires"))
		if f.has("check") {
			r.claim("waiver", w.Check, f.at("check"))
		}
	})
}

// waived is the form of what a waiver is for.
func waived() form[string] {
	return parsed(`^[a-z][a-z0-9-]*(\.[a-z0-9-]+)*$`, func(s string) (string, string, string) {
		for part := range strings.SplitSeq(s, ".") {
			if strings.Trim(part, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" || part == "" {
				return "", quote(s) + " cannot be a check", "write its name as results show it"
			}
		}
		return s, "", ""
	})
}

// dates is the form of a day.
func dates() form[time.Time] {
	return parsed(`^[0-9]{4}-[0-9]{2}-[0-9]{2}$`, func(s string) (time.Time, string, string) {
		day, err := time.Parse(time.DateOnly, s)
		if err != nil {
			return day, quote(s) + " is not a day", "write it as in 2027-03-01: year, month, day"
		}
		return day, "", ""
	})
}

// judgeWaivers refuses a waiver for a check that is nowhere: its finding would not be waived, silently.
func judgeWaivers(r *reader, at ast.Node, c *Config) {
	names := c.checkNames()
	seq, _ := at.(*ast.SequenceNode)
	for i, w := range c.Waivers {
		own, _, _ := strings.Cut(w.Check, ".")
		if seq == nil || slices.Contains(names, w.Check) || slices.Contains(reserved(), own) {
			continue
		}
		mend := "write the name of a check of this file, or one that begins with posture. as in posture.least.remote"
		if near := nearest(w.Check, names); near != "" {
			mend = "did you mean " + near + "?"
		}
		place := seq.Values[i]
		if m, ok := place.(*ast.MappingNode); ok {
			place = valueOf(m, "check", place)
		}
		r.wrong(place, mend, "there is no check %s", quote(w.Check))
	}
}

// checkNames are the names of the checks of the file.
func (c *Config) checkNames() []string {
	var names []string
	for _, d := range c.Checks.DNS {
		names = append(names, d.Name)
	}
	for _, t := range c.Checks.TLS {
		names = append(names, t.Name)
	}
	for _, l := range c.Checks.LDAPS {
		names = append(names, l.Name)
	}
	return names
}

// ExpiredWaivers is an error for each waiver that no longer holds at now. They do not keep a configuration from being
// loaded: a daemon must start at boot even if a waiver ran out in the night. There are none when the length is 0.
func (c *Config) ExpiredWaivers(now time.Time) Errors {
	var errs Errors
	for _, w := range c.Waivers {
		if now.Before(w.Expires) {
			continue
		}
		errs = append(errs, Error{Place: w.at, Message: "the waiver for " + w.Check + " ended on " +
			w.Expires.Format(time.DateOnly),
			Mend: "mend what the check finds and remove the waiver, or decide anew and write a later day"})
	}
	return errs
}

// Notices is what the file asks for and this version does not act on, in the order of place: the daemon says it at its
// start, so that nobody trusts in what is not done.
func (c *Config) Notices() []Notice { return slices.Clone(c.notices) }
