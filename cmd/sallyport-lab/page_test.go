package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"sallyport/integration/lab"
)

func TestWrap(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text string
		n    int
		want []string
	}{
		{"", 10, []string{""}},
		{"one two three", 7, []string{"one two", "three"}},
		{"one two three", 100, []string{"one two three"}},
		{"a-very-long-word b", 5, []string{"a-very-long-word", "b"}},
		{"été été", 7, []string{"été été"}},
		{"two\nlines", 100, []string{"two lines"}},
	} {
		if got := wrap(c.text, c.n); !slices.Equal(got, c.want) {
			t.Errorf("wrap(%q, %d) = %q, want %q", c.text, c.n, got, c.want)
		}
	}
}

// TestPageWithoutTerminal holds that a file or pipe gets plain ASCII marks, and that what does not hold is counted.
func TestPageWithoutTerminal(t *testing.T) {
	t.Setenv("LC_ALL", "C.UTF-8")
	out, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = out.Close() }()
	p := newPage(out, false)
	p.section("Title")
	p.command("true")
	p.expect(true, "admin", "gets in")
	p.expect(false, "stranger", "gets in too")
	p.expect(true, "admin", strings.Repeat("in ", 40))
	p.skip("twin", "not without root")
	p.command("sallyport " + strings.Repeat("word ", 40))
	p.more("seen", strings.Repeat("word ", 40))
	p.summary()
	text, err := os.ReadFile(out.Name())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range string(text) {
		if r >= utf8.RuneSelf || r == '\x1b' {
			t.Fatalf("not plain ASCII: %q", text)
		}
	}
	for _, want := range []string{
		"\nTitle\n  $ true\n  ok admin            gets in\n  NO stranger         gets in too\n  ok admin            in in",
		"\n  -  twin             not without root\n  $ sallyport word",
		"\n    word word word word\n  seen                word",
		"\n1 of 3 expectations did not hold (1 could not be shown here), in ",
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %q in:\n%s", want, text)
		}
	}
	for line := range strings.Lines(string(text)) {
		if len(line) > widest+1 {
			t.Errorf("a line of %d characters: %q", len(line), line)
		}
	}
}

// TestFoldKeepsPartsWhole also where one is longer than a line, or there is none.
func TestFoldKeepsPartsWhole(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		parts []string
		want  []string
	}{
		{nil, []string{""}},
		{[]string{"dns 0.1"}, []string{"dns 0.1"}},
		{[]string{"dns 0.1", "tls 2.0"}, []string{"dns 0.1  tls 2.0"}},
		{[]string{"dns 0.1", "tls 2.0", "bind 1 ms"}, []string{"dns 0.1  tls 2.0", "bind 1 ms"}},
		{[]string{"longer than sixteen", "dns"}, []string{"longer than sixteen", "dns"}},
	} {
		if got := fold(c.parts, "  ", 16); !slices.Equal(got, c.want) {
			t.Errorf("fold(%q) = %q, want %q", c.parts, got, c.want)
		}
	}
}

func TestParse(t *testing.T) {
	program := filepath.Join(t.TempDir(), "sallyport")
	if err := os.WriteFile(program, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SERVERS", string(lab.Real))
	t.Setenv("NO_COLOR", "1")
	got, err := parse([]string{"--sallyport", program, "--keep"}, io.Discard)
	if want := (options{servers: "real", sallyport: program, keep: true, noColor: true}); err != nil || got != want {
		t.Errorf("parse = %+v, %v, want %+v", got, err, want)
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--sallyport", program, "--servers", "toy"}, `--servers takes embedded or real, not "toy"`},
		{[]string{"--sallyport", program, "now"}, `unexpected argument "now"`},
		{[]string{"--sallyport", t.TempDir()}, "is no program: build it with `make build`"},
		{[]string{"--sallyport", "/nowhere"}, "/nowhere is no program"},
		{[]string{"--colour"}, "flag provided but not defined: -colour"},
	} {
		var said bytes.Buffer
		if _, err := parse(c.args, &said); err == nil || !strings.Contains(said.String(), c.want) {
			t.Errorf("parse(%q) says %q, want %q in it", c.args, said.String(), c.want)
		}
	}
}

// TestPhasesComeInTheirOrder also when a new one is unknown here.
func TestPhasesComeInTheirOrder(t *testing.T) {
	t.Parallel()
	got := strings.Join(phases(map[string]float64{"tls": 2.26, "dns": 0.5, "search": 9, "connect": 0.1}), "  ")
	if want := "dns 0.5  connect 0.1  tls 2.3  search 9.0 ms"; got != want {
		t.Errorf("phases = %q, want %q", got, want)
	}
}
