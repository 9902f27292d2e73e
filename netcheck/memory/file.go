package memory

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// maxBytes is what a file may hold: some thousand authorities of a trust store are the most that anybody keeps.
const maxBytes = 1 << 20

// File is the memory of one subject. Files of one subject are the same file.
type File[T any] struct {
	Folder  Folder
	Subject string // a name of letters, digits and dashes; [Subject] makes one
	Schema  int    // of T; a file of another one is set aside
}

// envelope is how a content stands in a file.
type envelope[T any] struct {
	Schema  int `json:"schema"`
	Content T   `json:"content"`
}

// Path is where the content lies.
func (f File[T]) Path() string { return filepath.Join(f.Folder.Dir(), f.Subject+".json") }

// State tells two states of a file apart: each write makes another one. The zero value is that of no file.
type State struct {
	inode    uint64
	size     int64
	modified time.Time
}

// State is the file's now, for the price of one system call.
func (f File[T]) State() (State, error) {
	info, err := os.Lstat(f.Path())
	if errors.Is(err, fs.ErrNotExist) {
		return State{}, nil
	}
	if err != nil {
		return State{}, err
	}
	return stateOf(info), nil
}

func stateOf(info fs.FileInfo) State {
	s := State{size: info.Size(), modified: info.ModTime()}
	if system, ok := info.Sys().(*syscall.Stat_t); ok {
		s.inode = system.Ino
	}
	return s
}

// Read is the content, and the zero value where there is no file or no folder. A file that is damaged, too large or of
// another schema is renamed to the same with .bad behind it, the folder's Told is told, and what is returned is the zero
// value without an error. An error is that of a file that this user may not read.
func (f File[T]) Read() (T, error) {
	var none T
	if err := plain(f.Subject); err != nil {
		return none, err
	}
	if !f.Folder.Kept() {
		return none, nil
	}
	file, err := os.OpenFile(f.Path(), os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return none, nil
	case errors.Is(err, syscall.ELOOP):
		return none, f.setAside(err)
	case err != nil:
		return none, fmt.Errorf("what was kept: %w", err)
	}
	content, err := f.decode(file)
	_ = file.Close() // nothing was written
	if err != nil {
		return none, f.setAside(err)
	}
	return content, nil
}

// decode reads a file strictly: what this version does not know would be lost by the next write.
func (f File[T]) decode(r io.Reader) (T, error) {
	var all envelope[T]
	text, err := io.ReadAll(io.LimitReader(r, maxBytes+1))
	if err != nil {
		return all.Content, err
	}
	if len(text) > maxBytes {
		return all.Content, fmt.Errorf("it has more than %d KiB", maxBytes>>10)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&all); err != nil {
		return all.Content, err
	}
	if all.Schema != f.Schema {
		return all.Content, fmt.Errorf("schema %d, want %d", all.Schema, f.Schema)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return all.Content, errors.New("something follows the content")
	}
	return all.Content, nil
}

// setAside renames the file, and tells why. The error is that it stays where it is.
func (f File[T]) setAside(why error) error {
	aside := f.Path() + ".bad"
	if err := os.Rename(f.Path(), aside); err != nil {
		return fmt.Errorf("what was kept is no good, and could not be set aside: %w: %w", why, err)
	}
	if f.Folder.Told != nil {
		f.Folder.Told(fmt.Errorf("%s is no good and was set aside as %s: %w", f.Path(), aside, why))
	}
	return nil
}

// Write puts the content in place of what was kept: whole or not at all, and on the disk when it returns. It makes the
// folder where it is missing. The error names what mends it.
func (f File[T]) Write(content T) error {
	text, err := json.MarshalIndent(envelope[T]{f.Schema, content}, "", "  ")
	if err == nil {
		err = plain(f.Subject)
	}
	if err == nil && len(text) >= maxBytes {
		err = fmt.Errorf("it has more than %d KiB", maxBytes>>10)
	}
	if err != nil {
		return fmt.Errorf("keep %s: %w", f.Subject, err)
	}
	if err := f.replace(append(text, '\n')); err != nil {
		return mend(fmt.Errorf("keep %s: %w", f.Subject, err))
	}
	return nil
}

func (f File[T]) replace(text []byte) error {
	if err := f.Folder.place(); err != nil {
		return err
	}
	file, err := os.CreateTemp(f.Folder.Dir(), "."+f.Subject+"-*") // with mode 0600
	if err != nil {
		return err
	}
	if err := errors.Join(f.fill(file, text), file.Close()); err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	if err := os.Rename(file.Name(), f.Path()); err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return syncFolder(f.Folder.Dir())
}

func (f File[T]) fill(file *os.File, text []byte) error {
	if _, err := file.Write(text); err != nil {
		return err
	}
	if err := handOver(f.Folder.State, file.Chown); err != nil {
		return err
	}
	return file.Sync()
}

// Remove forgets what was kept. That nothing was is no error.
func (f File[T]) Remove() error {
	if err := plain(f.Subject); err != nil {
		return err
	}
	err := os.Remove(f.Path())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return mend(fmt.Errorf("forget %s: %w", f.Subject, err))
	}
	return syncFolder(f.Folder.Dir())
}

// syncFolder makes a rename or a removal lasting.
func syncFolder(dir string) error {
	folder, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
