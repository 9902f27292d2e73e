package integration_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/integration/lab"
)

// openTerminal is a new terminal: the side of the person, and the side of the program.
func openTerminal(t *testing.T) (person, program *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(int(person.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(person.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return person, program
}

// TestTrialAsksOnATerminal answers in every way that a person can, and in the one of who has been cut off.
func TestTrialAsksOnATerminal(t *testing.T) {
	for name, c := range map[string]struct {
		answer string // typed; empty: the terminal is hung up
		code   int    // -1: ended by a signal
		says   string
		in     []string
	}{
		"yes":       {"y", 0, "confirmed", []string{"admin tcp22", "stranger tcp8080"}},
		"no":        {"xn", 2, "rolled back", []string{"admin tcp22"}},
		"interrupt": {"\x03", 2, "rolled back", []string{"admin tcp22"}},
		"hang-up":   {"", -1, "", []string{"admin tcp22"}},
		"nothing":   {" ", 2, "no answer", []string{"admin tcp22"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newBox(t, lab.Settings{})
			w.services()
			w.must(0, "apply", "--now")
			w.wider()
			person, program := openTerminal(t)
			if _, err := person.WriteString("y"); err != nil { // before there is a question: no answer to it
				t.Fatal(err)
			}
			j := w.start(func(cmd *exec.Cmd) error {
				cmd.Stdin, cmd.Stdout = program, program
				cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 0}
				return nil
			}, "apply", "--confirm-within", "2s", "--config", w.File)
			_ = program.Close()
			screen := readUntil(t, person, "Keep it? [y/n] ")
			if c.answer == "" {
				if err := person.Close(); err != nil {
					t.Fatal(err)
				}
			} else if _, err := person.Write([]byte(c.answer)); err != nil {
				t.Fatal(err)
			}
			if c.says != "" {
				screen += readUntil(t, person, c.says)
				defer func() { _ = person.Close() }() // before its end it would be a hang-up
			}
			if got := w.outcome(j, 10*time.Second); got.Code != c.code {
				t.Errorf("exit code %d, want %d: %s%s", got.Code, c.code, screen, got.Stderr)
			}
			if name == "hang-up" {
				w.untilExpired()
				if got := w.must(2, "rollback"); !strings.Contains(got.Stdout, "nobody confirmed it in time") {
					t.Errorf("afterwards: %s", got.Stdout)
				}
			}
			w.getIn(c.in...)
		})
	}
}

// readUntil reads what the terminal shows until it shows some words.
func readUntil(t *testing.T, from *os.File, words string) string {
	t.Helper()
	var screen bytes.Buffer
	deadline := time.Now().Add(10 * time.Second)
	for !strings.Contains(screen.String(), words) {
		poll := []unix.PollFd{{Fd: int32(from.Fd()), Events: unix.POLLIN}}
		n, err := unix.Poll(poll, int(time.Until(deadline).Milliseconds()))
		if err != nil && err != unix.EINTR || n == 0 { //nolint:errorlint // unix.Poll gives bare errno
			t.Fatalf("the terminal does not show %q: %q (%v)", words, screen.String(), err)
		}
		part := make([]byte, 1024)
		got, err := from.Read(part)
		screen.Write(part[:got])
		if err != nil {
			if strings.Contains(screen.String(), words) {
				break
			}
			t.Fatalf("the terminal does not show %q: %q (%v)", words, screen.String(), err)
		}
	}
	return screen.String()
}
