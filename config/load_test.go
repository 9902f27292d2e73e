package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestLoadWhatIsNoConfiguration(t *testing.T) {
	folder := t.TempDir()
	fifo := filepath.Join(folder, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct{ path, want string }{
		"missing":    {filepath.Join(folder, "none.yaml"), "there is no such file"},
		"folder":     {folder, "this is a folder, not a file"},
		"pipe":       {fifo, "this is not a regular file"},
		"device":     {"/dev/zero", "this is not a regular file"},
		"empty":      {write(t, "x.yaml", "", 0o600), "the file is empty"},
		"writable":   {write(t, "x.yaml", "paths: {}\n", 0o646), "everybody may write this file"},
		"large":      {write(t, "x.yaml", strings.Repeat("#\n", 5<<20), 0o600), "the file is larger than 4194304 bytes"},
		"NUL":        {write(t, "x.yaml", strings.Repeat("\x00", 4096), 0o600), "the file holds NUL bytes"},
		"a name\x00": {"a\x00b", "the file cannot be opened"},
	} {
		_, err := load(test.path, Options{})
		var all Errors
		if !errors.As(err, &all) || len(all) != 1 {
			t.Fatalf("%s: %v", name, err)
		}
		if e := all[0]; !strings.Contains(e.Message, test.want) || e.File != test.path || e.Line != 0 || e.Mend == "" {
			t.Errorf("%s: %+v, want %q", name, e, test.want)
		}
	}
}

func TestLoadUnreadable(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root reads everything")
	}
	_, err := load(write(t, "x.yaml", "paths: {}\n", 0o200), Options{})
	if err == nil || !strings.Contains(err.Error(), "cannot be read by this user") {
		t.Errorf("got %v", err)
	}
}

func TestLoadNamesItsFile(t *testing.T) {
	path := write(t, "x.yaml", "paths: {}\n", 0o600)
	c, err := load(path, Options{})
	if err != nil || c.File != path {
		t.Errorf("%v, %v", c, err)
	}
}

// TestHostileSizes holds that no text of the largest size keeps a reload waiting. Without the outline, a megabyte of keys
// took the parser two minutes, and a megabyte of open brackets its whole memory.
func TestHostileSizes(t *testing.T) {
	repeat := func(s string) string { return strings.Repeat(s, MaxSize/len(s)) }
	bomb := "a: &a [x, x, x, x, x, x, x, x, x]\n"
	for c := 'b'; c <= 'z'; c++ {
		ref := fmt.Sprintf("*%c", c-1)
		bomb += fmt.Sprintf("%c: &%c [%s%s]\n", c, c, ref, strings.Repeat(", "+ref, 8))
	}
	for name, text := range map[string]string{
		"alias bomb": bomb, "open brackets": repeat("["), "open braces": repeat("{"), "hyphens": repeat("- "),
		"keys":                repeat("a: 1\n"),
		"keys without values": repeat("a:\n"), "colons": repeat("a: "), "anchors": repeat("&a "), "questions": repeat("? "),
		"bare colons": repeat(": "), "quotes": repeat("''"), "open quote": "a: \"" + repeat("x")[:MaxSize-10],
		"commas": "a: [" + repeat("1,")[:MaxSize-10], "a colon and a digit": repeat("a:1 "),
		"colons and digits": repeat("a:1:"),
		"documents":         repeat("---\n"), "literals": repeat("|\n"), "tags": repeat("! "), "spaces": repeat(" "),
		"words":              repeat("a "),
		"brackets in a list": repeat("- [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\n"), "comments": repeat("#a: [\n"),
		"many errors": "firewall: {mode: off}\nwaivers:\n" + repeat("  - {check: 1}\n")[:MaxSize/2],
	} {
		t.Run(name, func(t *testing.T) {
			before := spent(t)
			_, err := Parse("x.yaml", []byte(text), Options{SkipFiles: true})
			if err == nil {
				t.Error("accepted")
			}
			if took := spent(t) - before; took > 10*time.Second {
				t.Errorf("took %v", took)
			}
			if len(err.Error()) > 100_000 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
		})
	}
}

// spent is the processors' time that this process has had: what a machine is busy with besides makes it no longer.
func spent(t *testing.T) time.Duration {
	t.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		t.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

func TestManyNetworksAreRead(t *testing.T) {
	var text strings.Builder
	text.WriteString("firewall:\n  management:\n    - name: ssh\n      ports: [22/tcp]\n      from:\n")
	const many = 100_000
	for i := range many {
		if i%2 == 0 {
			fmt.Fprintf(&text, "        - 10.%d.%d.%d/32\n", i>>16, i>>8&255, i&255)
		} else {
			fmt.Fprintf(&text, "        - \"2001:db8:%x:%x::/64\"\n", i>>16, i&0xffff)
		}
	}
	c, err := Parse("x.yaml", []byte(text.String()), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := len(c.Firewall.Management[0].From); got != many {
		t.Errorf("%d networks", got)
	}
}

func TestManyChecksAreRead(t *testing.T) {
	var text strings.Builder
	text.WriteString("checks:\n  tls:\n")
	const many = 2000
	for i := range many {
		fmt.Fprintf(&text, "    - name: c%d\n      address: \"h%d.example:443\"\n      interval: 10s\n", i, i)
	}
	c, err := Parse("x.yaml", []byte(text.String()), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := len(c.Checks.TLS); got != many {
		t.Errorf("%d checks", got)
	}
}

func TestSecretsAreMasked(t *testing.T) {
	for _, line := range []string{
		"password: hunter2", "  Password:   \"hunter2 x\"", "bind_password: hunter2", "{a: 1, secret: hunter2, b: 2}",
		"bindpw: 'hunter2'",
		"\"password\": hunter2", "password_file: hunter2", "to: udp://u:hunter2@a.example", "api_key: hunter2",
		"x-token: hunter2",
	} {
		if got := mask(line); strings.Contains(got, "hunter2") || !strings.Contains(got, "***") {
			t.Errorf("%s is shown as %s", line, got)
		}
	}
	src := source{lines: strings.Split("a:\n  password: |\n    hunter2\n\n    hunter2: x\n  mode: off", "\n")}
	for i, want := range []bool{false, false, true, false, true, false} {
		if got := src.belowSecret(i); got != want && src.lines[i] != "" {
			t.Errorf("line %d: %v, want %v", i, got, want)
		}
	}
	for _, line := range []string{"password_file: /etc/sallyport/pw", "password_file: ${CREDENTIALS_DIRECTORY}/pw",
		"password_file: \"/etc/pw\"", "to: udp://a.example:514", "mode: off"} {
		if got := mask(line); got != line {
			t.Errorf("%s is shown as %s", line, got)
		}
	}
}

// TestCaretFollowsTheMask: what is hidden has another length than what stands there.
func TestCaretFollowsTheMask(t *testing.T) {
	_, err := Parse("x.yaml", []byte("report: {password: hunter2hunter2, sislog: []}\n"), Options{})
	var all Errors
	if !errors.As(err, &all) || len(all) != 2 {
		t.Fatal(err)
	}
	const want = "    report: {password: ***, sislog: []}\n                            ^\n"
	if got := all[1].excerpt(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// TestSyntaxErrorDoesNotShowASecret: a file that is not even YAML may still hold one.
func TestSyntaxErrorDoesNotShowASecret(t *testing.T) {
	for _, text := range []string{"a: {password: hunter2\n", "password: hunter2: x\n", "password: \"hunter2\n",
		"password:\n  hunter2: x: y\n"} {
		_, err := Parse("x.yaml", []byte(text), Options{})
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// load reads and validates the configuration at path.
func load(path string, opts Options) (*Config, error) {
	data, err := Read(path)
	if err != nil {
		return nil, err
	}
	return Parse(path, data, opts)
}
