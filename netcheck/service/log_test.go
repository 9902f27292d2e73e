package service

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/check"
)

// logged is a log in a folder, and a clock by which each look is due.
type logged struct {
	*Log
	dir string
	now time.Time
}

func logging(t *testing.T, pattern string) *logged {
	t.Helper()
	dir := t.TempDir()
	return &logged{NewLog(filepath.Join(dir, pattern)), dir, time.Now()}
}

func (l *logged) write(t *testing.T, name, text string) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(l.dir, name), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = f.WriteString(text)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (l *logged) rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(filepath.Join(l.dir, from), filepath.Join(l.dir, to)); err != nil {
		t.Fatal(err)
	}
}

// wants looks, and wants these complaints, each its cause and how often.
func (l *logged) wants(t *testing.T, step string, want ...string) []Complaint {
	t.Helper()
	l.now = l.now.Add(2 * lookEvery)
	list, err := l.Look(l.now)
	if err != nil {
		t.Fatalf("%s: %v", step, err)
	}
	var got []string
	for _, c := range list {
		got = append(got, fmt.Sprintf("%s %d", c.Cause, c.Count))
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("%s: %v, want %v", step, got, want)
	}
	return list
}

const (
	refused = "java.net.ConnectException: Connection refused\n"
	reset   = "java.net.SocketException: Connection reset\n"
	unknown = "java.net.UnknownHostException: dc1.corp.example\n"
	filler  = "2026-11-23 10:00:00 INFO all is well, and here is a line that fills the log up to its brim\n"
)

func TestLogGrows(t *testing.T) {
	t.Parallel()
	l := logging(t, "uds.log")
	l.wants(t, "before there is one")
	l.write(t, "uds.log", filler+refused+"\tat java.base/java.net.Socket.connect\nCaused by: "+refused+filler)
	l.wants(t, "a stack trace is one", "connect.refused 1")
	l.wants(t, "nothing new", "connect.refused 1")
	l.write(t, "uds.log", reset[:10])
	l.wants(t, "half a line", "connect.refused 1")
	l.write(t, "uds.log", reset[10:])
	l.wants(t, "the other half", "connect.refused 1", "connect.reset 1")
	l.write(t, "uds.log", strings.Repeat("x", 3*maxLogLine)+refused+strings.Repeat("y", 10)+refused)
	l.wants(t, "a line that is too long counts up to there", "connect.refused 2", "connect.reset 1")
}

func TestLogRotates(t *testing.T) {
	t.Parallel()
	l := logging(t, "uds.log")
	l.write(t, "uds.log", refused+filler)
	l.wants(t, "first", "connect.refused 1")
	l.write(t, "uds.log", reset) // not seen before it is rotated
	l.rename(t, "uds.log", "uds.log.1")
	l.write(t, "uds.log", unknown)
	l.wants(t, "by a new name", "connect.refused 1", "connect.reset 1", "dns.nxdomain 1")
	l.wants(t, "once only", "connect.refused 1", "connect.reset 1", "dns.nxdomain 1")
}

func TestLogIsCut(t *testing.T) {
	t.Parallel()
	l := logging(t, "*.log")
	l.write(t, "uds.log", strings.Repeat(filler, 3)+refused)
	l.wants(t, "first", "connect.refused 1")
	if err := os.Truncate(filepath.Join(l.dir, "uds.log"), 0); err != nil {
		t.Fatal(err)
	}
	l.write(t, "uds.log", reset)
	l.wants(t, "shorter than before", "connect.refused 1", "connect.reset 1")
	if err := os.Truncate(filepath.Join(l.dir, "uds.log"), 0); err != nil {
		t.Fatal(err)
	}
	l.write(t, "uds.log", unknown+strings.Repeat(filler, 9))
	l.wants(t, "grown beyond where it was read to", "connect.refused 1", "connect.reset 1", "dns.nxdomain 1")
}

func TestLogIsBounded(t *testing.T) {
	t.Parallel()
	l := logging(t, "uds.log")
	l.write(t, "uds.log", refused+strings.Repeat(filler, firstRead/len(filler)+1)+reset)
	l.wants(t, "what was there long ago is left out", "connect.reset 1")
	l.write(t, "uds.log", unknown+strings.Repeat(filler, lookRead/len(filler)+1)+reset)
	l.wants(t, "and what is too much at once", "connect.reset 2")
	for i := range maxComplaints + 9 {
		l.write(t, "uds.log", strings.Replace(unknown, "dc1", fmt.Sprintf("dc%d", i), 1))
	}
	l.now = l.now.Add(time.Minute)
	list, err := l.Look(l.now)
	if err != nil || len(list) != maxComplaints || list[maxComplaints-1].Host != "dc24.corp.example" {
		t.Errorf("%d complaints, %v: %+v", len(list), err, list)
	}
}

// TestLogFiles holds which files are read: the latest of the pattern, regular ones, also by a link; and what cannot be read.
func TestLogFiles(t *testing.T) {
	t.Parallel()
	l := logging(t, "uds*.log")
	if err := unix.Mkfifo(filepath.Join(l.dir, "uds-pipe.log"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(l.dir, "uds-folder.log"), 0o700); err != nil {
		t.Fatal(err)
	}
	l.write(t, "elsewhere", refused)
	if err := os.Symlink(filepath.Join(l.dir, "elsewhere"), filepath.Join(l.dir, "uds-link.log")); err != nil {
		t.Fatal(err)
	}
	l.write(t, "other.log", reset)
	for i := range maxFollowed {
		name := fmt.Sprintf("uds-%d.log", i)
		l.write(t, name, strings.Replace(unknown, "dc1", name, 1))
		old := time.Now().Add(-time.Duration(i+1) * time.Hour)
		if err := os.Chtimes(filepath.Join(l.dir, name), old, old); err != nil {
			t.Fatal(err)
		}
	}
	list := l.wants(t, "the latest four", "connect.refused 1", "dns.nxdomain 1", "dns.nxdomain 1", "dns.nxdomain 1")
	for _, c := range list {
		if c.Host == "uds-3.log" || c.Cause == check.DNSNXDomain && time.Since(c.Time) < 50*time.Minute {
			t.Errorf("%+v: want the time when the log was written", c)
		}
	}
}

func TestLogUnreadable(t *testing.T) {
	t.Parallel()
	runtime.LockOSThread() // never unlocked: the thread ends with the test, and with it who it is to files
	l, hidden := logging(t, "uds.log"), logging(t, "none/uds-*.log")
	l.write(t, "uds.log", refused)
	if err := errors.Join(os.Chmod(filepath.Join(l.dir, "uds.log"), 0), os.Chmod(filepath.Dir(l.dir), 0o755),
		os.Mkdir(filepath.Join(hidden.dir, "none"), 0)); err != nil {
		t.Fatal(err)
	}
	if os.Getuid() == 0 { // who may read everything
		if err := unix.Setfsuid(4242); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = unix.Setfsuid(0) })
	}
	for name, l := range map[string]*logged{"a file": l, "a folder": hidden} {
		if _, err := l.Look(l.now); !errors.Is(err, ErrUnreadable) || !errors.Is(err, fs.ErrPermission) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestLogTimes holds that a complaint is of the time of the line before it, in the form that Java's loggers write.
func TestLogTimes(t *testing.T) {
	t.Parallel()
	l := logging(t, "uds.log")
	at := time.Now().Add(-3 * time.Hour).Truncate(time.Second)
	l.write(t, "uds.log", at.Format("2006-01-02 15:04:05")+",123 ERROR sync failed\n"+
		"javax.net.ssl.SSLHandshakeException: PKIX path validation failed: java.security.cert.CertPathValidatorException: "+
		"validity check failed\n\tat x.y.Z\nCaused by: java.security.cert.CertificateNotYetValidException: NotBefore: Mon\n")
	list := l.wants(t, "the innermost counts", "cert.not-yet-valid 1")
	if !list[0].Time.Equal(at) {
		t.Errorf("of %s, want %s", list[0].Time, at)
	}
	l.write(t, "uds.log", time.Now().Add(24*time.Hour).Format("2006-01-02 15:04:05")+" "+refused)
	list = l.wants(t, "a line of tomorrow", "cert.not-yet-valid 1", "connect.refused 1")
	if list[1].Time.After(time.Now().Add(time.Minute)) {
		t.Errorf("it is of %s", list[1].Time)
	}
}

// FuzzLog holds that no log does harm, and that what is told of it is fit to be shown, however it is split.
func FuzzLog(f *testing.F) {
	f.Add(refused+filler, 7)
	f.Add("2026-11-23 10:00:00 x\n"+unknown+"Caused by: "+reset+"\tat y\n", 30)
	f.Add("\x00\xff\nCaused by: Connection refused \u202e\n[", 3)
	f.Fuzz(func(t *testing.T, text string, split int) {
		l := NewLog("/nonexistent")
		file := &followed{info: stat{}, path: "/x/uds.log"}
		split = min(max(split, 0), len(text))
		l.lines(file, []byte(text[:split]))
		l.lines(file, []byte(text[split:]))
		l.end(file)
		if len(file.pending) > maxLogLine || len(l.found) > maxComplaints {
			t.Errorf("%d bytes wait, %d complaints", len(file.pending), len(l.found))
		}
		for _, c := range l.found {
			if len(c.Text) > maxSentence+3 || len(c.Host) > maxHost || c.Cause == "" || c.Time.IsZero() {
				t.Errorf("%+v", c)
			}
			if i := strings.IndexFunc(c.Text+c.Host, func(r rune) bool { return r < ' ' || r > '~' }); i >= 0 {
				t.Errorf("%q is not fit to be shown", c.Text)
			}
		}
	})
}

type stat struct{ os.FileInfo }

func (stat) ModTime() time.Time { return time.Unix(1_700_000_000, 0) }
