package term

import (
	"bytes"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"sallyport/check"
	"sallyport/report/document"
	"sallyport/report/document/documenttest"
	"sallyport/report/internal/golden"
)

func TestText(t *testing.T) {
	tests := []struct {
		golden, document string
		options          Options
	}{
		{"sample.txt", "sample.json", Options{}},
		{"sample-verbose.txt", "sample.json", Options{Verbose: true}},
		{"sample-narrow.txt", "sample.json", Options{Width: 60}},
		{"sample-color.txt", "sample.json", Options{Color: true}},
		{"status.txt", "status.json", Options{Width: 100}},
		{"empty.txt", "empty.json", Options{Width: 100}},
	}
	sgr := regexp.MustCompile("\x1b\\[[0-9;]*m")
	for _, tt := range tests {
		t.Run(tt.golden, func(t *testing.T) {
			var b bytes.Buffer
			if err := Text(&b, documenttest.Sample(t, tt.document), tt.options); err != nil {
				t.Fatal(err)
			}
			golden.Compare(t, tt.golden, b.String())
			plain := sgr.ReplaceAllString(b.String(), "")
			if !tt.options.Color && plain != b.String() {
				t.Error("colours where none are wanted")
			}
			golden.Shown(t, plain)
		})
	}
}

// TestVerdict holds the page that begins with the verdict: where something is not well, and where all is.
func TestVerdict(t *testing.T) {
	for name, d := range map[string]document.Document{
		"verdict.txt":        documenttest.Sample(t, "sample.json").Judged(nil),
		"verdict-status.txt": documenttest.Sample(t, "status.json").Judged(nil),
	} {
		var b bytes.Buffer
		if err := Text(&b, d, Options{Width: 100}); err != nil {
			t.Fatal(err)
		}
		golden.Compare(t, name, b.String())
		golden.Shown(t, b.String())
	}
	well := documenttest.Sample(t, "sample.json")
	well = document.New("1.2.3", "uds01", well.Time, []check.Result{well.Results[0].Result})
	var without, with bytes.Buffer
	if err := errors.Join(Text(&without, well, Options{}), Text(&with, well.Judged(nil), Options{})); err != nil {
		t.Fatal(err)
	}
	if without.String() != with.String() {
		t.Errorf("where all is well, the page has a verdict:\n%s", &with)
	}
}

func TestWrap(t *testing.T) {
	tests := []struct {
		text string
		room int
		want string
	}{
		{"", 40, ""},
		{"one two", 0, "one two"},
		{"one two three four five", 20, "one two three four|five"},
		{"one-word-that-is-longer-than-a-line two", 20, "one-word-that-is-longer-than-a-line|two"},
		{"über größe straße ölkännchen", 20, "über größe straße|ölkännchen"},
	}
	for _, tt := range tests {
		if got := strings.Join(wrap(tt.text, tt.room), "|"); got != tt.want {
			t.Errorf("%q in %d columns: %q, want %q", tt.text, tt.room, got, tt.want)
		}
	}
}

func TestDurations(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "", 400 * time.Microsecond: "0.4ms", 21540 * time.Microsecond: "21.5ms", 1234 * time.Millisecond: "1.23s",
		75 * time.Second: "75.00s",
	} {
		if got := took(d); got != want {
			t.Errorf("took %s: %s, want %s", d, got, want)
		}
	}
	for d, want := range map[time.Duration]string{
		-time.Second: "0s", 45 * time.Second: "45s", 750 * time.Second: "12m30s", 125 * time.Minute: "2h5m",
		76 * time.Hour: "3d4h",
	} {
		if got := rough(d); got != want {
			t.Errorf("rough %s: %s, want %s", d, got, want)
		}
	}
}

// TestPhases: one too short to be counted, as it comes from the daemon, has a number all the same.
func TestPhases(t *testing.T) {
	got := phases([]check.Phase{{Name: "dns"}, {Name: "connect", Duration: 8 * time.Millisecond}})
	if want := "dns 0.0ms  connect 8.0ms"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

type full struct{}

var errFull = errors.New("no space left on device")

func (full) Write([]byte) (int, error) { return 0, errFull }

func TestTextOntoAFullDisk(t *testing.T) {
	if err := Text(full{}, documenttest.Sample(t, "sample.json"), Options{}); !errors.Is(err, errFull) {
		t.Errorf("got %v, want %v", err, errFull)
	}
}
