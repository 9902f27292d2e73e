package service

import (
	"strings"
	"time"
)

// stampFields bounds how far into a line its time is looked for, in bytes.
const stampFields = 48

// stamp is the time at which a line says that it was written, and the rest of the line. Without a zone it is this host's
// time, as Java's own and the usual libraries write it: Log4j, Logback and java.util.logging.
func stamp(line string) (at time.Time, rest string, ok bool) {
	text := strings.TrimLeft(line[:min(len(line), stampFields)], " [")
	before := len(line[:min(len(line), stampFields)]) - len(text)
	for _, layout := range []string{
		"2006-01-02 15:04:05", "2006-01-02T15:04:05", "2006/01/02 15:04:05", "02-Jan-2006 15:04:05",
		"02 Jan 2006 15:04:05", "02/Jan/2006:15:04:05", "01.02.06 15:04:05",
	} {
		if len(text) < len(layout) {
			continue
		}
		at, err := time.ParseInLocation(layout, text[:len(layout)], time.Local)
		if err != nil {
			continue
		}
		at, length := zoned(at, text, len(layout))
		return at, line[before+length:], true
	}
	return spoken(line, before)
}

// zoned takes the fraction of a second and the zone that may follow a time.
func zoned(at time.Time, text string, length int) (time.Time, int) {
	if length < len(text) && strings.ContainsRune(".,", rune(text[length])) {
		for length++; length < len(text) && text[length] >= '0' && text[length] <= '9'; length++ {
		}
	}
	rest := strings.TrimPrefix(text[length:], " ")
	space := len(text[length:]) - len(rest)
	for _, layout := range []string{"Z07:00", "-0700", "-07:00"} {
		width := len(layout)
		if strings.HasPrefix(rest, "Z") && layout[0] == 'Z' {
			width = 1
		}
		if len(rest) < width {
			continue
		}
		zone, err := time.Parse(layout, rest[:width])
		if err != nil {
			continue
		}
		_, offset := zone.Zone()
		there := time.FixedZone("", offset)
		return time.Date(at.Year(), at.Month(), at.Day(), at.Hour(), at.Minute(), at.Second(), 0, there),
			length + space + width
	}
	return at, length
}

// spoken is stamp for java.util.logging's own form: Nov 23, 2026 4:05:06 PM.
func spoken(line string, before int) (at time.Time, rest string, ok bool) {
	if before == len(line) || line[before] < 'A' || line[before] > 'S' {
		return time.Time{}, line, false // no month begins so
	}
	const layout = "Jan 2, 2006 3:04:05 PM"
	line = strings.Replace(line, "\u202f", " ", 1)                // which Java has before AM and PM since its release 20
	for width := len(layout) + 2; width >= len(layout); width-- { // day and hour have a digit or two
		if len(line) < before+width {
			continue
		}
		if at, err := time.ParseInLocation(layout, line[before:before+width], time.Local); err == nil {
			return at, line[before+width:], true
		}
	}
	return time.Time{}, line, false
}
