package memory

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

const (
	lockPause = 5 * time.Millisecond // between two looks at a lock that another process holds
	lockTries = 10                   // at a lock's file that is removed while it is waited for
)

// ErrBusy says that another process has a subject to itself.
var ErrBusy = errors.New("another process has it")

// Lock has the subject to itself, against other goroutines and processes, as long as the context lasts to wait for it. It
// is given back by the function that it returns, or by the end of the process. It makes the folder where it is missing.
// The error names what mends it, or is ErrBusy.
func (f File[T]) Lock(ctx context.Context) (release func(), err error) {
	if err := plain(f.Subject); err != nil {
		return nil, err
	}
	for range lockTries {
		file, err := f.openLock()
		if err == nil {
			err = await(ctx, file)
		}
		if errors.Is(err, ErrBusy) {
			return nil, fmt.Errorf("%s: %w: %w", f.Subject, err, context.Cause(ctx))
		}
		if err != nil {
			return nil, mend(fmt.Errorf("lock %s: %w", f.Subject, err))
		}
		if f.isLock(file) {
			return func() { _ = file.Close() }, nil
		}
		_ = file.Close() // somebody has removed it since it was opened: the lock is another file
	}
	return nil, fmt.Errorf("%s: %w: its lock is removed again and again", f.Subject, ErrBusy)
}

// await waits for the lock of an open file, which is closed where it does not come.
func await(ctx context.Context, file *os.File) error {
	for {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case err == nil:
			return nil
		case !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR):
			return errors.Join(err, file.Close())
		}
		select {
		case <-ctx.Done():
			_ = file.Close()
			return ErrBusy
		case <-time.After(lockPause):
		}
	}
}

func (f File[T]) lockPath() string { return filepath.Join(f.Folder.Dir(), f.Subject+".lock") }

// isLock says whether an open file is still the one at the lock's path.
func (f File[T]) isLock(file *os.File) bool {
	there, err := os.Lstat(f.lockPath())
	if err != nil {
		return false
	}
	mine, err := file.Stat()
	return err == nil && os.SameFile(there, mine)
}

// openLock opens the lock's file, and makes it and its folder where there is none. Only what it made is given to the
// folder's owner, and no link is followed: root must not be led to give away another's file. A lock needs no right to
// write.
func (f File[T]) openLock() (*os.File, error) {
	if !f.Folder.Kept() {
		return nil, errNowhere
	}
	const flags = os.O_RDONLY | syscall.O_NOFOLLOW | syscall.O_NONBLOCK | syscall.O_CLOEXEC
	file, err := os.OpenFile(f.lockPath(), flags, 0)
	if !errors.Is(err, fs.ErrNotExist) {
		return file, err
	}
	if err := f.Folder.place(); err != nil {
		return nil, err
	}
	file, err = os.OpenFile(f.lockPath(), flags|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return os.OpenFile(f.lockPath(), flags, 0)
	}
	if err != nil {
		return nil, err
	}
	if err := handOver(f.Folder.State, file.Chown); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}
