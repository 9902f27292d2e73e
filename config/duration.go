package config

import (
	"fmt"
	"math"
	"strings"
	"time"
)

const (
	day  = 24 * time.Hour
	week = 7 * day
)

// durationPattern is a number with a unit, once or more: 90d, 1h30m.
const durationPattern = `^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h|d|w))+$`

// duration is the form of a duration within bounds: those of time.ParseDuration, and d and w for days of 24 hours and
// weeks of 7 days.
func duration(least, most time.Duration) form[time.Duration] {
	bounds := "from " + short(least) + " to " + short(most)
	f := parsed(durationPattern, func(s string) (time.Duration, string, string) {
		if strings.Trim(s, "0123456789") == "" {
			return 0, quote(s) + " has no unit", "write " + s + "s for seconds; the units are ms, s, m, h, d, w"
		}
		d, ok := parseDuration(s)
		switch {
		case !ok:
			return 0, quote(s) + " is not a duration", "write a number with its unit, as in 500ms, 30s, 5m, 12h or 21d"
		case d < least:
			return 0, quote(s) + " is too short", "write a duration " + bounds
		case d > most:
			return 0, quote(s) + " is too long", "write a duration " + bounds
		}
		return d, "", ""
	})
	return f
}

// units are the units with one or two letters, the longer ones first.
func units() []struct {
	name string
	each time.Duration
} {
	return []struct {
		name string
		each time.Duration
	}{
		{"ns", time.Nanosecond}, {"us", time.Microsecond}, {"µs", time.Microsecond}, {"ms", time.Millisecond},
		{"s", time.Second}, {"m", time.Minute}, {"h", time.Hour}, {"d", day}, {"w", week},
	}
}

// parseDuration is the sum of the numbers with their units; not ok for anything else, and for what does not fit.
func parseDuration(s string) (time.Duration, bool) {
	if s == "" || len(s) > 64 {
		return 0, false
	}
	var sum float64
	for s != "" {
		digits := len(s) - len(strings.TrimLeft(s, "0123456789."))
		var number float64
		if n, err := fmt.Sscanf(s[:digits], "%f", &number); n != 1 || err != nil || !isDecimal(s[:digits]) {
			return 0, false
		}
		s = s[digits:]
		matched := false
		for _, u := range units() {
			if rest, ok := strings.CutPrefix(s, u.name); ok {
				sum, s, matched = sum+number*float64(u.each), rest, true
				break
			}
		}
		if !matched || sum >= math.MaxInt64 {
			return 0, false
		}
	}
	return time.Duration(math.Round(sum)), true
}

// isDecimal says whether s is digits, or digits, a point and digits.
func isDecimal(s string) bool {
	before, after, point := strings.Cut(s, ".")
	return before != "" && (!point || after != "") && !strings.Contains(after, ".")
}

// short is a duration as one would write it in the file.
func short(d time.Duration) string {
	for _, u := range []struct {
		name string
		each time.Duration
	}{{"d", day}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}, {"ms", time.Millisecond}} {
		if d >= u.each && d%u.each == 0 {
			return fmt.Sprintf("%d%s", d/u.each, u.name)
		}
	}
	return d.String()
}
