package integration_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"sallyport/integration/lab"
)

// commands are those that read the configuration.
func commands() []string {
	return []string{"config check", "check", "plan", "apply --now", "apply --dry-run", "verify", "run", "status"}
}

// badFile is a configuration that is none: how it is made, and what must be said of it.
type badFile struct {
	make func(path string) error
	says []string
	as   func(*exec.Cmd) error
}

func badFiles(good string) map[string]badFile {
	content := func(text string, says ...string) badFile {
		return badFile{
			make: func(path string) error { return os.WriteFile(path, []byte(text), 0o600) },
			says: append(says, "mend: "),
		}
	}
	return map[string]badFile{
		"missing": {
			make: func(string) error { return nil },
			says: []string{"there is no such file", "sallyport init"},
		},
		"unreadable": {
			make: func(path string) error { return os.WriteFile(path, []byte(good), 0) },
			says: []string{"cannot be read by this user", "run as root, or give the user of this process the right"},
			as:   asNobody,
		},
		"writable by everybody": {
			make: func(path string) error {
				if err := os.WriteFile(path, []byte(good), 0o600); err != nil {
					return err
				}
				return os.Chmod(path, 0o666)
			},
			says: []string{"everybody may write this file", "chmod o-w "},
		},
		"empty":         content("", "the file is empty", "sallyport init"),
		"spaces":        content(" \n\n  # nothing\n"),
		"ten megabytes": content(strings.Repeat("a: b\n", 2<<20), "larger than 4194304 bytes", "name the right file"),
		"NUL-filled":    content(strings.Repeat("\x00", 1000), "NUL", "it is not a text"),
		"NUL in it":     content(strings.Replace(good, "22/tcp", "22/tcp\x00", 1), "NUL"),
		"not UTF-8":     content(strings.Replace(good, "ssh", "\xff\xfe\x9b31m", 1), "is not UTF-8", ":6:"),
		"UTF-16":        content("\xff\xfep\x00a\x00t\x00h\x00s\x00:\x00"),
		"escapes":       content("\x1b]0;owned\x07: 1\n"),
		"no YAML":       content("firewall: [}\n", ":1:"),
		"bomb": content("a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\n" +
			"c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\n"),
		"deep":     content(strings.Repeat("[", 100_000)),
		"a folder": {make: func(path string) error { return os.Mkdir(path, 0o755) }, says: []string{"a folder", "--config"}},
		"a pipe": {
			make: func(path string) error { return syscall.Mkfifo(path, 0o600) },
			says: []string{"not a regular file", "--config"},
		},
		"a loop": {
			make: func(path string) error { return os.Symlink(path, path) },
			says: []string{"cannot be opened", "--config"},
		},
	}
}

// TestBadConfigurationFile gives every command a configuration that is none. Nobody waits, and nothing changes.
func TestBadConfigurationFile(t *testing.T) {
	w := newBox(t, lab.Settings{})
	dir := w.folder("bad", nobody)
	w.must(0, "apply", "--now")
	for name, bad := range badFiles(shut(dir, "192.0.2.1")) {
		path := filepath.Join(dir, strings.ReplaceAll(name, " ", "-")+".yaml")
		if err := bad.make(path); err != nil {
			t.Fatal(err)
		}
		t.Run(name, func(t *testing.T) {
			w := w
			w.t = t
			if bad.as != nil {
				others(t)
			}
			w.unchanged(name, func() {
				for _, command := range commands() {
					got := w.run(bad.as, append(strings.Fields(command), "--config", path)...)
					refuses(t, got, append(bad.says, "sallyport: "+path)...)
					if got.Stdout != "" {
						t.Errorf("%s: something on stdout: %s", command, got.Stdout)
					}
				}
			})
		})
	}
}

// TestOddCommandLines wants a message for each: bounded, printable, and with what is wrong in it.
func TestOddCommandLines(t *testing.T) {
	w := newBox(t, lab.Settings{})
	huge := strings.Repeat("x", 100_000)
	many := make([]string, 5000)
	for i := range many {
		many[i] = fmt.Sprint("check-", i)
	}
	file := []string{"--config", w.File}
	with := func(args ...string) []string { return append(args, file...) }
	w.unchanged("a command line", func() {
		for says, args := range map[string][]string{
			`-o takes text, json`:                     with("check", "-o", ""),
			`not "text,json"`:                         with("plan", "-o", "text,json"),
			`flag needs an argument`:                  {"check", "-o"},
			`there is no check ""`:                    with("check", ""),
			`there is no check "\x1b[31m\u202e"`:      with("check", "\x1b[31m\u202e"),
			`there is no check "--config"`:            with("check", "--config", w.File, "--"),
			`there is no check "xxxxx`:                with("check", huge),
			`there is no check "check-0"`:             with(append([]string{"check"}, many...)...),
			`unknown command "xxxxx`:                  {huge},
			`unknown command ""`:                      {""},
			`unknown command "frob\n\x1b[31m"`:        {"frob\n\x1b[31m"},
			`unknown flag: --no-such`:                 {"check", "--no-such=\n\x1b"},
			`--config is empty`:                       {"plan", "--config", ""},
			`name a readable file with --config`:      {"plan", "--config", huge},
			`/tmp/no\x1b[31m such: there is no such`:  {"plan", "--config", "/tmp/no\x1b[31m such"},
			`--confirm-within takes 1s to 1h0m0s`:     with("apply", "--confirm-within", "0s"),
			`[dry-run now]`:                           with("apply", "--now", "--dry-run"),
			`unknown command "now" for`:               with("apply", "now"),
			`--only takes guard or probe, not "xxxxx`: with("run", "--only", huge),
			`--only takes guard or probe, not ""`:     with("run", "--only", ""),
			`"" is not a cause`:                       {"explain", ""},
			`x" is not a cause`:                       {"explain", huge},
			`nothing listens on`:                      with("status", "--watch"),
			`unknown command "nosh"`:                  {"completion", "nosh"},
			`unknown command "nope"`:                  {"help", "nope"},
			`invalid argument "maybe" for`:            with("check", "--verbose=maybe"),
			`unknown command "nope" for`:              {"config", "nope"},
		} {
			got := w.run(nil, args...)
			refuses(t, got, says)
			if got.Stdout != "" {
				t.Errorf("%.80q: something on stdout: %.200s", args, got.Stdout)
			}
		}
	})
}
