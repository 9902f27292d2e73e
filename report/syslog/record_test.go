package syslog

import (
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/leodido/go-syslog/v4/rfc5424"

	"sallyport/check"
	"sallyport/report"
	"sallyport/report/internal/golden"
)

// hostile holds everything that could end a field, a record, a line, or the reader's trust in his terminal.
const hostile = "CN=a\"]\\b\n<0>1 - - - - - forged\r\x00\x1b[2J\u202egnp.\u2066\xff ä 東"

var (
	noon = time.Date(2026, 3, 1, 12, 0, 0, 123456000, time.UTC)
	self = source{facility: Daemon, hostname: "uds01.corp.example", appName: "sallyport", procID: "4711"}
)

func expired() check.Transition {
	return check.Transition{
		Check: "code42-console", From: check.OK, To: check.Fail, Since: noon.Add(-36 * time.Hour),
		Result: check.Result{
			Check: "code42-console", Kind: check.KindTLS, Target: "console.us.code42.com:443",
			Status: check.Fail, Cause: check.CertExpired, Layer: check.LayerCertificate,
			Detail: `the certificate of "console.us.code42.com" expired on 2026-02-28`, Remedy: "renew it on the server",
			Time: noon, Duration: 41800 * time.Microsecond,
		},
	}
}

func recovered() check.Transition {
	return check.Transition{
		Check: "resolver", From: check.Fail, To: check.OK, Since: noon.Add(-time.Hour),
		Result: check.Result{
			Check: "resolver", Kind: check.KindDNS, Target: "console.us.code42.com A",
			Status: check.OK, Time: noon, Duration: 1500 * time.Microsecond,
		},
	}
}

func attacked() check.Transition {
	t := expired()
	t.Check, t.Result.Check = hostile, hostile
	t.Result.Target, t.Result.Detail, t.Result.Remedy = hostile, hostile, hostile
	return t
}

func longest() check.Transition {
	t := expired()
	t.Result.Detail = strings.Repeat("東京", 3000)
	return t
}

func TestRecordsGolden(t *testing.T) {
	unwell := expired()
	unwell.To, unwell.Result.Status = check.Unknown, check.Unknown
	unwell.Result.Cause, unwell.Result.Layer = check.Internal, ""
	warned := recovered()
	warned.To, warned.Result.Status, warned.Result.Cause = check.Warn, check.Warn, check.CertExpiring
	skipped := recovered()
	skipped.To, skipped.Result.Status = check.Skipped, check.Skipped
	records := []struct {
		name string
		record
	}{
		{"fail", transitionRecord(expired())},
		{"ok", transitionRecord(recovered())},
		{"unknown", transitionRecord(unwell)},
		{"warn", transitionRecord(warned)},
		{"skipped", transitionRecord(skipped)},
		{"hostile", transitionRecord(attacked())},
		{"result", resultRecord(expired().Result)},
		{"dropped", droppedRecord(17, noon)},
		{"first", transitionRecord(check.Transition{Check: "c", To: check.OK, Result: check.Result{Time: noon}})},
	}
	var b strings.Builder
	for _, r := range records {
		b.WriteString("# " + r.name + "\n" + string(r.rfc5424(self, maxDatagram)) + "\n")
		b.WriteString(string(r.local(self, maxStream)) + "\n\n")
	}
	golden.Compare(t, "records.txt", b.String())
}

// TestParsesBack holds that an independent parser reads every part as it was meant.
func TestParsesBack(t *testing.T) {
	for name, tr := range map[string]check.Transition{
		"expired": expired(), "recovered": recovered(), "hostile": attacked(), "longest": longest(),
	} {
		t.Run(name, func(t *testing.T) {
			rec := transitionRecord(tr)
			raw := rec.rfc5424(self, maxDatagram)
			parsed := parse(t, raw)
			if got := parsed.Timestamp; got == nil || !got.Equal(rec.time) {
				t.Errorf("timestamp %v, want %v", got, rec.time)
			}
			want := map[string]string{}
			for _, p := range rec.params {
				want[p.name] = p.value
			}
			if diff := cmp.Diff(map[string]map[string]string{SDID: want}, *parsed.StructuredData); diff != "" {
				t.Errorf("structured data (-want +got):\n%s", diff)
			}
			header := []string{*parsed.Hostname, *parsed.Appname, *parsed.ProcID, *parsed.MsgID}
			if !slices.Equal(header, []string{self.hostname, self.appName, self.procID, rec.msgID}) {
				t.Errorf("header of %q", raw)
			}
			message, marked := strings.CutPrefix(*parsed.Message, bom)
			if marked == ascii(message) {
				t.Errorf("byte order mark: %v, in %q", marked, message)
			}
			if whole := report.Printable(rec.message, 1<<20); message != whole && !strings.HasSuffix(message, "…") {
				t.Errorf("message %q, want %q", message, whole)
			}
		})
	}
}

func parse(t *testing.T, raw []byte) *rfc5424.SyslogMessage {
	t.Helper()
	m, err := rfc5424.NewParser().Parse(raw)
	if err != nil {
		t.Fatalf("%v in %q", err, raw)
	}
	return m.(*rfc5424.SyslogMessage)
}

// TestEveryFieldAtItsWorst holds the sum that the limits promise: only the sentence is cut.
func TestEveryFieldAtItsWorst(t *testing.T) {
	bad := strings.Repeat(`"\]`, 500)
	tr := check.Transition{
		Check: bad, From: check.Unknown, To: check.Skipped, Since: noon,
		Result: check.Result{
			Kind: bad, Target: bad, Cause: check.Cause(strings.Repeat("c", 500)), Layer: check.Layer(bad), Detail: bad,
			Time: noon, Duration: 1<<63 - 1,
		},
	}
	src := source{Local7, strings.Repeat("h", 500), strings.Repeat("a", 500), strings.Repeat("p", 500)}
	for _, limit := range []int{maxDatagram, maxStream} {
		raw := transitionRecord(tr).rfc5424(src, limit)
		if len(raw) > limit {
			t.Errorf("%d bytes, limit %d", len(raw), limit)
		}
		parsed := parse(t, raw)
		if n := len((*parsed.StructuredData)[SDID]); n != 10 {
			t.Errorf("%d parameters arrived: %q", n, raw)
		}
		if parsed.Message == nil {
			t.Errorf("no room for a message: %q", raw)
		}
		if local := transitionRecord(tr).local(src, limit); len(local) > limit || !strings.HasSuffix(string(local), `"]`) {
			t.Errorf("local form: %d bytes: %q", len(local), local)
		}
	}
}

func TestHeaderFields(t *testing.T) {
	for _, tt := range []struct {
		in   string
		max  int
		want string
	}{
		{"", 9, "-"}, {"host", 9, "host"}, {"a b", 9, "a_b"}, {"tab\tnl\n", 9, "tab_nl_"}, {"zürich", 9, "z_rich"},
		{"too-long-by-far", 8, "too-long"}, {"\xff", 9, "_"},
	} {
		if got := field(tt.in, tt.max); got != tt.want {
			t.Errorf("field(%q, %d) = %q, want %q", tt.in, tt.max, got, tt.want)
		}
	}
}

func FuzzRecord(f *testing.F) {
	f.Add("code42-console", "console:443", "cert.expired", "seen", 600)
	f.Add(hostile, hostile, hostile, hostile, maxDatagram)
	f.Add(`"]\`, "", "", "", 0)
	f.Fuzz(func(t *testing.T, name, target, cause, detail string, limit int) {
		limit = max(maxDatagram, min(limit, maxStream))
		rec := transitionRecord(check.Transition{
			Check: name, To: check.Fail, Since: noon,
			Result: check.Result{Target: target, Cause: check.Cause(cause), Detail: detail, Time: noon},
		})
		raw := rec.rfc5424(source{Daemon, name, target, cause}, limit)
		if len(raw) > limit || !utf8.Valid(raw) || strings.ContainsAny(string(raw), "\n\r\x00\x1b") {
			t.Fatalf("%d bytes, limit %d: %q", len(raw), limit, raw)
		}
		parsed := parse(t, raw)
		data := *parsed.StructuredData
		if len(data) != 1 || len(data[SDID]) != len(rec.params) {
			t.Fatalf("structured data %v of %q", data, raw)
		}
		for _, p := range rec.params {
			if data[SDID][p.name] != p.value {
				t.Fatalf("%s is %q, want %q", p.name, data[SDID][p.name], p.value)
			}
		}
		if local := rec.local(self, limit); len(local) > limit || strings.ContainsAny(string(local), "\n\r\x00\x1b") {
			t.Fatalf("local form: %d bytes, limit %d: %q", len(local), limit, local)
		}
	})
}
