package guard

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
	recordLock = "ruleset.lock"
	lockPause  = 10 * time.Millisecond
)

// ErrBusy says that another process changes what is in force.
var ErrBusy = errors.New("another process changes what is in force")

// Lock is the right to change what is in force and its record, against other processes that do so by themselves. It waits
// as long as the context lasts, and is given back by the function that it returns, or by the end of the process. Where
// there is no folder there is nothing to lock, and nothing is made. The file is the folder's owner's, as the record is.
func (s Store) Lock(ctx context.Context) (unlock func(), err error) {
	file, err := s.openLock()
	if errors.Is(err, fs.ErrNotExist) {
		return func() {}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("lock the record: %w (set paths.state to a folder that this user may write)", err)
	}
	for {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case err == nil:
			return func() { _ = file.Close() }, nil
		case !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR):
			return nil, errors.Join(fmt.Errorf("lock the record: %w", err), file.Close())
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("%w: %w", ErrBusy, context.Cause(ctx)), file.Close())
		case <-time.After(lockPause):
		}
	}
}

// openLock opens the lock's file, and makes it where there is none. Only what it made is given to the folder's owner, and no
// link is followed: root must not be led to give away another's file.
func (s Store) openLock() (*os.File, error) {
	name := filepath.Join(s.Dir, recordLock)
	const flags = os.O_RDWR | syscall.O_NOFOLLOW | syscall.O_CLOEXEC
	file, err := os.OpenFile(name, flags|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return os.OpenFile(name, flags, 0)
	}
	if err != nil {
		return nil, err
	}
	if err := s.handOver(file); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}
