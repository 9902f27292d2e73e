package syslog

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"sallyport/check"
	"sallyport/report"
)

// SDID names the element of structured data. 32473 is the private enterprise number that RFC 5612 reserves for
// documentation: Sallyport has none of its own, and RFC 5424 section 7.2.2 wants one after the @.
const SDID = "sallyport@32473"

// Facility is the part of the system that a record is about (RFC 5424 section 6.2.1).
type Facility uint8

// The facilities that make sense for a daemon. The zero value of Options.Facility stands for Daemon.
const (
	Daemon Facility = 3
	Local0 Facility = 16
	Local7 Facility = 23
)

// severity is the urgency of a record (RFC 5424 section 6.2.1).
type severity uint8

const (
	severityError   severity = 3
	severityWarning severity = 4
	severityNotice  severity = 5
	severityInfo    severity = 6
)

// severityOf says how urgent a status is. Only what does not hold is an error; what cannot be told deserves a look.
func severityOf(s check.Status) severity {
	switch s {
	case check.Fail:
		return severityError
	case check.Warn, check.Unknown:
		return severityWarning
	case check.OK:
		return severityNotice
	default: // skipped and waived ask for nothing
		return severityInfo
	}
}

// record is one message before it has a form.
type record struct {
	severity severity
	time     time.Time
	msgID    string
	params   []param
	message  string // one sentence; may hold anything
}

// param is one SD-PARAM.
type param struct{ name, value string }

// Limits of a record's parts. The header's are those of RFC 5424 section 6; the others keep the structure well below
// the smallest message of any transport (maxDatagram), so that only the sentence is ever cut.
const (
	maxHostname = 255
	maxAppName  = 48
	maxProcID   = 32 // RFC 5424 would allow 128
	maxMsgID    = 32
	maxName     = 96
	maxTarget   = 160
	maxWord     = 48
)

func transitionRecord(t check.Transition) record {
	r := t.Result
	rec := newRecord(t.To, r)
	rec.params = append(params("transition", t.Check, t.To, r), param{"from", t.From.String()})
	if !t.Since.IsZero() {
		rec.params = append(rec.params, param{"since", timestamp(t.Since)})
	}
	rec.message = sentence(t.Check+" is "+t.To.String()+", was "+t.From.String(), r)
	return rec
}

func resultRecord(r check.Result) record {
	rec := newRecord(r.Status, r)
	rec.params = params("result", r.Check, r.Status, r)
	rec.message = sentence(r.Check+" saw "+r.Status.String(), r)
	return rec
}

// droppedRecord tells a server what it missed.
func droppedRecord(n uint64, now time.Time) record {
	count := strconv.FormatUint(n, 10)
	return record{
		severity: severityWarning, time: now, msgID: string(check.SinkDown),
		params: []param{
			{"event", "dropped"}, {"cause", string(check.SinkDown)}, {"layer", string(check.LayerSallyport)},
			{"records", count},
		},
		message: count + " records were dropped while this server was away, the oldest first",
	}
}

// newRecord has the time at which the run ended, for that is when it was known.
func newRecord(status check.Status, r check.Result) record {
	msgID := string(r.Cause)
	if msgID == "" {
		msgID = status.String()
	}
	return record{severity: severityOf(status), time: r.Time.Add(r.Duration), msgID: msgID}
}

// params are what every record carries, in a fixed order; an empty cause and layer are left out.
func params(event, name string, status check.Status, r check.Result) []param {
	ps := []param{
		{"event", event},
		{"check", bounded(name, maxName)},
		{"kind", bounded(r.Kind, maxWord)},
		{"target", bounded(r.Target, maxTarget)},
		{"status", status.String()},
	}
	if r.Cause != "" {
		layer := r.Layer
		if layer == "" {
			layer = r.Cause.Layer()
		}
		ps = append(ps, param{"cause", bounded(string(r.Cause), maxWord)},
			param{"layer", bounded(string(layer), maxWord)})
	}
	ms := float64(r.Duration.Microseconds()) / 1000
	return append(ps, param{"duration_ms", strconv.FormatFloat(ms, 'f', -1, 64)})
}

// bounded makes a value printable and at most max bytes long once it is escaped as paramValue does, which at most
// doubles it.
func bounded(s string, max int) string {
	value := report.Printable(s, max)
	if len(paramValue.Replace(value)) > max {
		return report.Printable(s, max/2)
	}
	return value
}

// sentence is for the reader: what changed, why, what was seen, what to do.
func sentence(what string, r check.Result) string {
	parts := []string{what}
	for _, part := range []string{string(r.Cause), r.Detail, r.Remedy} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, ": ")
}

// source is what the header says of the sender.
type source struct {
	facility Facility
	hostname string
	appName  string
	procID   string
}

// The builder of leodido/go-syslog is not used here, only its parser in the tests: a value it does not like (a bracket
// that is not escaped yet, a header field too long) it leaves out in silence, and it knows no limit of size.

// rfc5424 writes the record as RFC 5424 has it, at most limit bytes long: the sentence is cut, never the structure.
func (rec record) rfc5424(src source, limit int) []byte {
	b := make([]byte, 0, 512)
	b = rec.priority(b, src)
	b = append(b, "1 "+timestamp(rec.time)+" "+field(src.hostname, maxHostname)+" "+field(src.appName, maxAppName)+
		" "+field(src.procID, maxProcID)+" "+field(rec.msgID, maxMsgID)+" "...)
	b = rec.element(b)
	message := report.Printable(rec.message, limit-len(b)-1-len(bom))
	if message == "" {
		return b
	}
	b = append(b, ' ')
	if !ascii(message) {
		b = append(b, bom...)
	}
	return append(b, message...)
}

// bom opens a message that is UTF-8 (RFC 5424 section 6.4). One of ASCII alone is sent without, as MSG-ANY: rsyslog
// would keep the mark as part of the text, and it tells the reader nothing.
const bom = "\ufeff"

// local writes the record in the form of syslog(3), which the sockets of local log daemons expect: a time without a
// year, in the zone of the host, and no host name. The element stands last, behind the sentence, where no server's
// words can stand in its place.
func (rec record) local(src source, limit int) []byte {
	b := rec.priority(make([]byte, 0, 512), src)
	b = append(b, rec.time.Local().Format(time.Stamp)+" "+field(src.appName, maxAppName)...)
	if src.procID != "" {
		b = append(b, "["+field(src.procID, maxProcID)+"]"...)
	}
	b = append(b, ": "...)
	element := rec.element(nil)
	if message := report.Printable(rec.message, limit-len(b)-1-len(element)); message != "" {
		b = append(b, message+" "...)
	}
	return append(b, element...)
}

// priority writes PRI (RFC 5424 section 6.2.1).
func (rec record) priority(b []byte, src source) []byte {
	b = append(b, '<')
	b = strconv.AppendUint(b, uint64(src.facility)*8+uint64(rec.severity), 10)
	return append(b, '>')
}

// paramValue escapes what would end a value (RFC 5424 section 6.3.3).
//
//nolint:gochecknoglobals // never changed after it is made, and costly to make
var paramValue = strings.NewReplacer(`\`, `\\`, `"`, `\"`, `]`, `\]`)

// element writes the one SD-ELEMENT (RFC 5424 section 6.3.1).
func (rec record) element(b []byte) []byte {
	b = append(b, "["+SDID...)
	for _, p := range rec.params {
		b = append(b, " "+p.name+`="`+paramValue.Replace(p.value)+`"`...)
	}
	return append(b, ']')
}

// field makes a header field: printable US-ASCII without spaces, at most max characters, - for nothing (RFC 5424
// section 6). What may not stand in it becomes an underscore.
func field(s string, max int) string {
	if s == "" {
		return "-"
	}
	clean := strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' {
			return '_'
		}
		return r
	}, s)
	return clean[:min(len(clean), max)]
}

// timestamp is TIMESTAMP in UTC with microseconds (RFC 5424 section 6.2.3), - for none.
func timestamp(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02T15:04:05.000000Z")
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
