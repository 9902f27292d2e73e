package term

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"

	"sallyport/report/document"
)

var update = flag.Bool("update", false, "write the golden files anew")

// sample is a document of package document's golden files.
func sample(t *testing.T, name string) document.Document {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "document", "testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	d, err := document.Read(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

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
			if err := Text(&b, sample(t, tt.document), tt.options); err != nil {
				t.Fatal(err)
			}
			golden(t, tt.golden, b.Bytes())
			plain := sgr.ReplaceAllString(b.String(), "")
			if !tt.options.Color && plain != b.String() {
				t.Error("colours where none are wanted")
			}
			for _, r := range plain {
				if r != '\n' && !unicode.IsPrint(r) {
					t.Errorf("%U stands in the output as it is", r)
				}
			}
		})
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs; see the difference with go test -update and git diff. Got:\n%s", path, got)
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

type full struct{}

var errFull = errors.New("no space left on device")

func (full) Write([]byte) (int, error) { return 0, errFull }

func TestTextOntoAFullDisk(t *testing.T) {
	if err := Text(full{}, sample(t, "sample.json"), Options{}); !errors.Is(err, errFull) {
		t.Errorf("got %v, want %v", err, errFull)
	}
}
