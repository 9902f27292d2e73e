package memory

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// name is the folder of the files below paths.state.
const name = "memory"

// Folder is where the files lie. The zero value keeps nothing.
type Folder struct {
	State string      // paths.state; it is made where it is missing
	Told  func(error) // of files that had to be set aside; nil: nobody. It must be safe for concurrent use
}

// Dir is the folder itself.
func (f Folder) Dir() string { return filepath.Join(f.State, name) }

// Kept says that there is a place to keep something.
func (f Folder) Kept() bool { return f.State != "" }

// Subject is the name of a file about something that has a name of any length and of any characters.
func Subject(kind, about string) string {
	sum := sha256.Sum256([]byte(about))
	return kind + "-" + hex.EncodeToString(sum[:8])
}

// errNowhere says that there is no place to keep something.
var errNowhere = errors.New("there is no folder to keep it in")

// place makes the folder where it is missing. Who is root gives it to the owner of paths.state, so that a process that is
// not root keeps what root began.
func (f Folder) place() error {
	if !f.Kept() {
		return errNowhere
	}
	if err := os.MkdirAll(f.State, 0o700); err != nil {
		return err
	}
	err := os.Mkdir(f.Dir(), 0o700)
	if errors.Is(err, fs.ErrExist) {
		return f.notElsewhere()
	}
	if err != nil {
		return err
	}
	return handOver(f.State, func(uid, gid int) error { return os.Lchown(f.Dir(), uid, gid) })
}

// notElsewhere holds that the folder is one, and no link: root must not be led to write into another's.
func (f Folder) notElsewhere() error {
	info, err := os.Lstat(f.Dir())
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("%s: %w", f.Dir(), syscall.ENOTDIR)
	}
	return err
}

// handOver has what root made given to the owner of a folder; who is not root gives nothing away.
func handOver(dir string, chown func(uid, gid int) error) error {
	if os.Geteuid() != 0 {
		return nil
	}
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	return chown(int(owner.Uid), int(owner.Gid))
}

// plain holds that a subject names a file in the folder.
func plain(subject string) error {
	if subject == "" || strings.ContainsAny(subject, "/\x00") || strings.HasPrefix(subject, ".") {
		return fmt.Errorf("the subject %q is no name of a file", subject)
	}
	return nil
}

// mend says what to do where something cannot be kept.
func mend(err error) error {
	return fmt.Errorf("%w (set paths.state to a folder that this user may write, with room on its disk)", err)
}
