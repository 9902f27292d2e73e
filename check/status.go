package check

import "fmt"

// Status is the verdict of a check. The zero value is Unknown: a result that nobody filled in never reads as well.
type Status uint8

const (
	Unknown Status = iota // could not tell; the cause says why
	OK                    // holds
	Warn                  // holds, but not for long or not as asked
	Fail                  // does not hold
	Skipped               // not run, because a check it depends on failed
	Waived                // does not hold, and a waiver in force says that this is accepted
)

// names holds the name of each status at its number.
func names() [6]string {
	return [...]string{Unknown: "unknown", OK: "ok", Warn: "warn", Fail: "fail", Skipped: "skipped", Waived: "waived"}
}

// Statuses lists every status in the order in which they are counted and shown.
func Statuses() []Status { return []Status{OK, Warn, Fail, Unknown, Skipped, Waived} }

// String is the status as it stands in text, JSON, metric labels, syslog and history.
func (s Status) String() string {
	if all := names(); int(s) < len(all) {
		return all[s]
	}
	return names()[Unknown]
}

// MarshalText writes the status by its name.
func (s Status) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads a status by its name; any other text is an error.
func (s *Status) UnmarshalText(text []byte) error {
	for i, name := range names() {
		if name == string(text) {
			*s = Status(i)
			return nil
		}
	}
	return fmt.Errorf("%q is not a status: want one of ok, warn, fail, unknown, skipped, waived", text)
}

// ExitCode is the process exit code that stands for the status. They are Nagios's: 0 ok, 1 warning, 2 critical,
// 3 unknown (Monitoring Plugins development guidelines, "Plugin Return Codes").
func (s Status) ExitCode() int {
	switch s {
	case OK, Skipped, Waived:
		return 0
	case Warn:
		return 1
	case Fail:
		return 2
	default:
		return 3
	}
}

// Worst is the status of a whole: fail over unknown over warn over the rest. A whole of nothing is Unknown.
func Worst(statuses ...Status) Status {
	worst, rank := Unknown, -1
	for _, s := range statuses {
		if r := severity(s); r > rank {
			worst, rank = s, r
		}
	}
	return worst
}

func severity(s Status) int {
	switch s {
	case Fail:
		return 4
	case Unknown:
		return 3
	case Warn:
		return 2
	case OK:
		return 1
	default: // skipped and waived weigh nothing beside a result
		return 0
	}
}
