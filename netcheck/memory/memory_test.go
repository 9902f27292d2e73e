package memory

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func fileIn(state string, told *[]error) File[[]string] {
	folder := Folder{State: state}
	if told != nil {
		folder.Told = func(err error) { *told = append(*told, err) }
	}
	return File[[]string]{Folder: folder, Subject: Subject("test", "a / name"), Schema: 2}
}

func TestKeptAcrossValues(t *testing.T) {
	t.Parallel()
	state := filepath.Join(t.TempDir(), "new", "state")
	before, err := fileIn(state, nil).State()
	if content, read := fileIn(state, nil).Read(); content != nil || read != nil || err != nil || before != (State{}) {
		t.Fatalf("nothing is there, and it reads %q, %v, %v", content, read, err)
	}
	for _, want := range []string{"one", "two"} {
		if err := fileIn(state, nil).Write([]string{want}); err != nil {
			t.Fatal(err)
		}
		after, err := fileIn(state, nil).State()
		if err != nil || after == before {
			t.Errorf("state %+v, %v after a write; want another one", after, err)
		}
		before = after
		if got, err := fileIn(state, nil).Read(); err != nil || len(got) != 1 || got[0] != want {
			t.Errorf("read %q, %v; want %q", got, err, want)
		}
	}
	for path, mode := range map[string]fs.FileMode{
		fileIn(state, nil).Path(): 0o600, filepath.Join(state, "memory"): 0o700 | fs.ModeDir,
	} {
		if info, err := os.Stat(path); err != nil || info.Mode() != mode {
			t.Errorf("%s has mode %v, %v; want %v", path, info.Mode(), err, mode)
		}
	}
	if left, err := filepath.Glob(filepath.Join(state, "memory", ".*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	for range 2 {
		if err := fileIn(state, nil).Remove(); err != nil {
			t.Error(err)
		}
	}
	if got, err := fileIn(state, nil).Read(); err != nil || got != nil {
		t.Errorf("after it was removed: %q, %v", got, err)
	}
}

func TestDamagedIsSetAsideAndTold(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"empty":          "",
		"half":           `{"schema": 2, "content": ["a"`,
		"another schema": `{"schema": 3, "content": ["a"]}`,
		"unknown key":    `{"schema": 2, "content": ["a"], "more": 1}`,
		"another type":   `{"schema": 2, "content": 7}`,
		"a second one":   `{"schema": 2, "content": ["a"]} {}`,
		"too large":      `{"schema": 2, "content": ["` + strings.Repeat("x", maxBytes) + `"]}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var told []error
			f := fileIn(t.TempDir(), &told)
			if err := f.Write(nil); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(f.Path(), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := f.Read()
			if err != nil || got != nil || len(told) != 1 || !strings.Contains(told[0].Error(), f.Path()+".bad") {
				t.Errorf("read %q, %v, told %v; want nothing, and that it was set aside", got, err, told)
			}
			if aside, err := os.ReadFile(f.Path() + ".bad"); err != nil || string(aside) != text {
				t.Errorf("set aside: %.20q, %v; want the file as it was", aside, err)
			}
			if err := f.Write([]string{"anew"}); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestTooLargeIsNotWritten(t *testing.T) {
	t.Parallel()
	f := fileIn(t.TempDir(), nil)
	if err := f.Write([]string{strings.Repeat("x", maxBytes)}); err == nil || !strings.Contains(err.Error(), "KiB") {
		t.Errorf("got %v; want that it is too large", err)
	}
}

func TestLinksAreNotFollowed(t *testing.T) {
	t.Parallel()
	elsewhere := filepath.Join(t.TempDir(), "elsewhere")
	if err := os.WriteFile(elsewhere, []byte(`{"schema": 2, "content": ["secret"]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	var told []error
	f := fileIn(t.TempDir(), &told)
	if err := f.Write(nil); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{f.Path(), f.lockPath()} {
		_ = os.Remove(path)
		if err := os.Symlink(elsewhere, path); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := f.Read(); got != nil || err != nil || len(told) != 1 {
		t.Errorf("read %q, %v through a link, told %v; want it set aside", got, err, told)
	}
	if _, err := f.Lock(t.Context()); !errors.Is(err, syscall.ELOOP) {
		t.Errorf("locked through a link: %v", err)
	}
	g := fileIn(t.TempDir(), nil)
	if err := os.Symlink(filepath.Dir(elsewhere), g.Folder.Dir()); err != nil {
		t.Fatal(err)
	}
	if err := g.Write(nil); !errors.Is(err, syscall.ENOTDIR) {
		t.Errorf("wrote into a linked folder: %v", err)
	}
}

func TestNoPlace(t *testing.T) {
	t.Parallel()
	plainFile := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(plainFile, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, state := range []string{"", plainFile, "/proc/nowhere"} {
		f := fileIn(state, nil)
		_, locked := f.Lock(t.Context())
		for _, err := range []error{f.Write([]string{"x"}), locked} {
			if err == nil || !strings.Contains(err.Error(), "paths.state") {
				t.Errorf("%q: got %v; want an error that names paths.state", state, err)
			}
		}
	}
}

func TestOneAtATime(t *testing.T) {
	t.Parallel()
	f := fileIn(t.TempDir(), nil)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 20 {
				release, err := f.Lock(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				got, err := f.Read()
				if err = errors.Join(err, f.Write(append(got, fmt.Sprint(len(got))))); err != nil {
					t.Error(err)
				}
				release()
			}
		})
	}
	group.Wait()
	if got, err := f.Read(); err != nil || len(got) != 160 {
		t.Errorf("%d of 160 writes are left, %v", len(got), err)
	}
}

func TestLockEndsWithTheContext(t *testing.T) {
	t.Parallel()
	f := fileIn(t.TempDir(), nil)
	release, err := f.Lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if _, err := f.Lock(ctx); !errors.Is(err, ErrBusy) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v; want that another has it, and that time ran out", err)
	}
	// Whoever removes the lock's file does not let two in: the first one's file is no lock any more.
	if err := os.Remove(f.lockPath()); err != nil {
		t.Fatal(err)
	}
	other, err := f.Lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	release()
	ctx, cancel = context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if _, err := f.Lock(ctx); !errors.Is(err, ErrBusy) {
		t.Errorf("got %v; want that another has it", err)
	}
	other()
}

// TestHandedOver holds that what root keeps is for the owner of paths.state.
func TestHandedOver(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root gives away")
	}
	state := t.TempDir()
	if err := os.Chown(state, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	f := fileIn(state, nil)
	release, err := f.Lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	release()
	if err := f.Write(nil); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{f.Folder.Dir(), f.Path(), f.lockPath()} {
		info, err := os.Stat(path)
		if err != nil || info.Sys().(*syscall.Stat_t).Uid != 65534 {
			t.Errorf("%s is not the owner's of paths.state: %v", path, err)
		}
	}
}
