package netcheck

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"
)

// maxSecret is how many octets a password file may hold.
const maxSecret = 4 << 10

// secret is a password as it stood in its file.
type secret struct {
	text  string
	stamp stamp
}

// stamp tells two contents of a file apart without keeping either: whoever writes to a file changes its ctime, and nobody
// can set that back. The zero value is like no other.
type stamp struct {
	Device   uint64 `json:"device,omitempty"`
	Inode    uint64 `json:"inode,omitempty"`
	Size     int64  `json:"size,omitempty"`
	Modified int64  `json:"modified_ns,omitempty"` // mtime
	Changed  int64  `json:"changed_ns,omitempty"`  // ctime
}

// stampSettles is how long ago a file must have changed for its stamp to count: two writes within one tick of the kernel's
// clock, at most 10 ms (kernel/time/timekeeping.c, ktime_get_coarse_real_ts64), leave the same.
const stampSettles = 100 * time.Millisecond

func stampOf(info os.FileInfo, now time.Time) stamp {
	file, ok := info.Sys().(*syscall.Stat_t)
	if !ok || now.Sub(time.Unix(file.Ctim.Unix())) < stampSettles {
		return stamp{}
	}
	return stamp{Device: file.Dev, Inode: file.Ino, Size: file.Size, Modified: file.Mtim.Nano(), Changed: file.Ctim.Nano()}
}

// is says whether two stamps are of the same content.
func (s stamp) is(other stamp) bool { return s != stamp{} && s == other }

// readSecret is the password in a file, without one line end after it. It is never empty: an empty password would bind
// anonymously, and succeed (RFC 4513 section 5.1.2).
func readSecret(path string) (secret, error) {
	// A FIFO without a writer must not hold up the run.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return secret{}, fmt.Errorf("password file: %w", err)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return secret{}, fmt.Errorf("password file: %w", err)
	}
	if !info.Mode().IsRegular() {
		return secret{}, fmt.Errorf("password file %s is no regular file", path)
	}
	raw, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err != nil {
		return secret{}, fmt.Errorf("password file: %w", err)
	}
	if len(raw) > maxSecret {
		return secret{}, fmt.Errorf("password file %s is larger than %d octets", path, maxSecret)
	}
	raw = bytes.TrimSuffix(bytes.TrimSuffix(raw, []byte("\n")), []byte("\r"))
	if len(raw) == 0 {
		return secret{}, errors.Join(errEmptySecret, fmt.Errorf("password file %s", path))
	}
	return secret{string(raw), stampOf(info, time.Now())}, nil
}

// errEmptySecret says that a password file has no password in it.
var errEmptySecret = errors.New("the password is empty, and would bind anonymously")
