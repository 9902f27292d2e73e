package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// answer is what a person says to a trial.
type answer uint8

const (
	noAnswer answer = iota // the time is over, or the terminal is gone
	keepIt
	takeBack
)

// askTick is how often the time that is left is shown anew.
const askTick = time.Second

// ask shows on a terminal how long a trial still has, and waits for one key: y keeps it, n and an interrupt take it back.
func ask(ctx context.Context, in *os.File, out io.Writer, deadline time.Time) (answer, error) {
	restore, err := oneKey(int(in.Fd()))
	if err != nil {
		return noAnswer, fmt.Errorf("the terminal: %w", err)
	}
	defer restore()
	defer func() { _, _ = fmt.Fprintln(out) }() // a terminal that is gone is no error here
	for {
		left := time.Until(deadline)
		if left <= 0 {
			return noAnswer, nil
		}
		const question = "\r\x1b[KCan you still get in? Open another session to see. Keep it? [y/n] %.0f s left "
		_, _ = fmt.Fprintf(out, question, math.Ceil(left.Seconds()))
		key, err := nextKey(int(in.Fd()), min(left, askTick))
		switch {
		case ctx.Err() != nil:
			return takeBack, nil
		case err != nil:
			return noAnswer, nil //nolint:nilerr // nobody can answer any more: the trial undoes itself
		case key == 'y', key == 'Y':
			return keepIt, nil
		case key == 'n', key == 'N':
			return takeBack, nil
		}
	}
}

// nextKey waits so long for a key; 0 is none. A terminal that was hung up is io.EOF.
func nextKey(fd int, wait time.Duration) (byte, error) {
	poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	n, err := unix.Poll(poll, int(wait.Milliseconds())+1)
	switch {
	case errors.Is(err, unix.EINTR), err == nil && n == 0:
		return 0, nil
	case err != nil:
		return 0, err
	}
	var key [1]byte
	switch n, err := unix.Read(fd, key[:]); {
	case errors.Is(err, unix.EINTR):
		return 0, nil
	case err != nil:
		return 0, err
	case n == 0:
		return 0, io.EOF
	}
	return key[0], nil
}

// oneKey has a terminal give each key at once and show none; an interrupt is still a signal. What was typed before the
// question is no answer to it, and forgotten.
func oneKey(fd int) (restore func(), err error) {
	before, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return nil, err
	}
	keys := *before
	keys.Lflag &^= unix.ICANON | unix.ECHO
	keys.Cc[unix.VMIN], keys.Cc[unix.VTIME] = 1, 0
	if err := unix.IoctlSetTermios(fd, unix.TCSETSF, &keys); err != nil {
		return nil, err
	}
	return func() { _ = unix.IoctlSetTermios(fd, unix.TCSETS, before) }, nil
}
