package integration_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"sallyport/integration/lab"
)

// disk mounts a small file system for this test process and what it starts, until the test ends. It must be mounted before
// the lab's nodes are made, whose mounts are copies.
func disk(t *testing.T, options string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "sp-") //nolint:usetesting // t.TempDir has names too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("disk", dir, "tmpfs", 0, options); err != nil {
		t.Fatal(errors.Join(err, os.Remove(dir)))
	}
	t.Cleanup(func() {
		// The nodes have copies of the mount, and are gone by now.
		if err := errors.Join(unix.Unmount(dir, unix.MNT_DETACH), os.Remove(dir)); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// fill writes to a file until the disk is full.
func fill(t *testing.T, dir string) {
	t.Helper()
	file, err := os.Create(filepath.Join(dir, "filler"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	for range 1 << 10 {
		if _, err := file.Write(make([]byte, 4096)); err != nil {
			if !errors.Is(err, unix.ENOSPC) {
				t.Fatal(err)
			}
			return
		}
	}
	t.Fatal("the disk is too large to be filled")
}

// withoutInodes takes the last free inodes of a disk.
func withoutInodes(t *testing.T, dir string) {
	t.Helper()
	for i := range 1 << 10 {
		err := os.WriteFile(filepath.Join(dir, fmt.Sprint("filler-", i)), nil, 0o600)
		switch {
		case errors.Is(err, unix.ENOSPC):
			return
		case err != nil:
			t.Fatal(err)
		}
	}
	t.Fatal("the disk has too many inodes")
}

// fullDisk replaces the folders of a configuration by ones on a full disk.
func (w world) fullDisk(dir string) string {
	here := filepath.Join(w.Dir, "sallyport")
	conf := strings.NewReplacer(
		filepath.Join(here, "state"), filepath.Join(dir, "state"),
		filepath.Join(here, "run"), filepath.Join(dir, "run"),
	).Replace(w.Configuration(lab.Settings{}))
	return conf + "  textfile: " + filepath.Join(dir, "sallyport.prom") + "\n"
}

// TestFullDisk runs the daemon with everything that it writes on a disk without a free block: it does its work, and says
// what it cannot write. A password that it cannot note as tried is not sent.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	dir := disk(t, "size=64k")
	w := newBoxIn(t, lab.Settings{}, "")
	w.services()
	for _, folder := range []string{"state", "run"} {
		if err := os.Mkdir(filepath.Join(dir, folder), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	fill(t, dir)
	if err := w.Write(w.fullDisk(dir)); err != nil {
		t.Fatal(err)
	}
	w.launch()
	report := w.await(lab.Has("sinks", "warn", "sink.down"))
	got := report.Of("sinks")
	for _, word := range []string{filepath.Join(dir, "sallyport.prom"), "no space left on device"} {
		if !strings.Contains(got.Detail, word) {
			t.Errorf("the sinks' detail does not say %q: %s", word, got.Detail)
		}
	}
	held := w.await(lab.Has(lab.CheckDirectory, "fail", "ldap.not-retried")).Of(lab.CheckDirectory)
	if !strings.Contains(held.Remedy, "paths.state") {
		t.Errorf("the directory's remedy does not name the folder: %s", held.Remedy)
	}
	readable(t, got.Detail+"\n"+got.Remedy)
	w.must(0, "plan")
	w.must(2, "status")
	w.must(0, "apply", "--now") // by the guard
	if left, err := filepath.Glob(filepath.Join(dir, "sallyport.prom*")); err != nil || len(left) > 0 {
		t.Errorf("pieces of the file are left: %v (%v)", left, err)
	}
	w.unchanged("its end", func() {
		if err := w.Stop(); err != nil {
			t.Error(err)
		}
	})
}

// TestDiskWithoutInodes gives the daemon no room for its sockets: it says so before it touches the kernel.
func TestDiskWithoutInodes(t *testing.T) {
	t.Parallel()
	dir := disk(t, "nr_inodes=16")
	w := newBoxIn(t, lab.Settings{}, "")
	withoutInodes(t, dir)
	if err := w.Write(w.fullDisk(dir)); err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"open", "shut"} {
		if host == "shut" {
			w.must(0, "apply", "--now") // which writes nothing but to the kernel
		}
		w.unchanged("a daemon without room", func() {
			for _, role := range []string{"guard", "probe"} {
				got := w.run(nil, "run", "--here", "--only", role, "--config", w.File)
				refuses(t, got, "make the runtime folder", filepath.Join(dir, "run"), "no space left on device")
			}
			got := w.run(nil, "run", "--here", "--config", w.File)
			if got.Code != codeUnknown || !strings.Contains(got.Stderr, "no space left on device") {
				t.Errorf("run: %+v", got)
			}
			readable(t, got.Stderr)
		})
		if left := processes(t, w.Dir); len(left) > 0 {
			t.Errorf("these are left: %v", left)
		}
	}
}

// TestReadOnlyDisk is TestDiskWithoutInodes for a disk that takes nothing at all.
func TestReadOnlyDisk(t *testing.T) {
	t.Parallel()
	dir := disk(t, "ro")
	w := newBoxIn(t, lab.Settings{}, "")
	if err := w.Write(w.fullDisk(dir)); err != nil {
		t.Fatal(err)
	}
	w.unchanged("a daemon without room", func() {
		got := w.run(nil, "run", "--here", "--only", "guard", "--config", w.File)
		refuses(t, got, "make the runtime folder", filepath.Join(dir, "run"), "read-only file system")
	})
}

// TestOutputIsFull has each command write where nothing can be written.
func TestOutputIsFull(t *testing.T) {
	w := newBox(t, lab.Settings{})
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = full.Close() }()
	onto := func(cmd *exec.Cmd) error { cmd.Stdout = full; return nil }
	for _, command := range []string{
		"plan", "plan -o json", "check", "check -o json", "check -o junit", "check -o prometheus", "verify -o sarif",
		"config check", "apply --dry-run",
	} {
		got := w.run(onto, append(strings.Fields(command), "--config", w.File)...)
		refuses(t, got, "/dev/stdout", "no space left on device")
	}
	for _, command := range []string{
		"version", "config schema", "explain", "explain cert.expired", "init", "completion bash",
	} {
		refuses(t, w.run(onto, strings.Fields(command)...), "/dev/stdout", "no space left on device")
	}
	mute := w.start(func(cmd *exec.Cmd) error { cmd.Stderr = full; return nil }, "run", "--here", "--config", w.File)
	if _, err := w.untilStatus(mute, guarded); err != nil {
		t.Error(err) // a daemon whose journal is full still guards
	}
}
