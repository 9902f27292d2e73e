package control

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
)

// The sockets of an instance, in its runtime folder.
const (
	GuardSocket = "guard.sock"
	ProbeSocket = "probe.sock"
)

// maxPath is what fits into sockaddr_un's sun_path with its closing NUL (unix(7)).
const maxPath = 107

// ErrInUse says that another process of the same role already serves the socket.
var ErrInUse = errors.New("another instance is running")

// Lock is the right to serve one socket; the kernel takes it back when the process ends, however it ends.
type Lock struct {
	file *os.File
}

// Release gives the right up.
func (l *Lock) Release() error { return l.file.Close() }

// Listen makes the socket at path, with mode 0600, in a folder that it makes with mode 0755 where it is missing. The
// lock beside the socket tells a living instance (ErrInUse) from the socket file that a killed one left behind.
func Listen(path string) (*net.UnixListener, *Lock, error) {
	if len(path) > maxPath {
		return nil, nil, fmt.Errorf("socket path %s is %d bytes long: at most %d fit (unix(7)); set a shorter paths.runtime",
			path, len(path), maxPath)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // the sockets in it are 0600
		return nil, nil, fmt.Errorf("make the runtime folder: %w (run as root, or set paths.runtime to a folder that "+
			"this user may make)", err)
	}
	lock, err := lockFile(path + ".lock")
	if err != nil {
		return nil, nil, err
	}
	listener, err := listen(path)
	if err != nil {
		return nil, nil, errors.Join(err, lock.Release())
	}
	return listener, lock, nil
}

func listen(path string) (*net.UnixListener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("remove a former socket: %w", err)
	}
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("protect %s: %w", path, err), listener.Close())
	}
	return listener, nil
}

func lockFile(path string) (*Lock, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the lock: %w (run as root, or set paths.runtime to a folder of this user's)", err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = fmt.Errorf("%w: %s is held", ErrInUse, path)
		}
		return nil, errors.Join(err, file.Close())
	}
	return &Lock{file: file}, nil
}
