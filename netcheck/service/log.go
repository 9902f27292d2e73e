package service

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	firstRead   = 64 << 10 // read of the end of a log that was there before
	lookRead    = 1 << 20  // read at one look, of all files
	maxLogLine  = 8 << 10  // of a line that is looked at; the rest of a longer one is left out
	markSize    = 32       // bytes before where reading goes on, by which a file is known again
	maxMatches  = 1000     // files that a pattern may stand for
	maxFollowed = 4        // files that are read, the latest ones
	lookEvery   = time.Second
)

// Log is the log of the service, read as it grows. It is safe for concurrent use.
type Log struct {
	pattern string

	mu       sync.Mutex
	looked   time.Time
	followed []*followed
	found    complaints
	err      error
}

// NewLog is the log at a path, or the latest files of a pattern as filepath.Match has it. Nothing is opened yet, and
// nothing is kept open.
func NewLog(pattern string) *Log { return &Log{pattern: pattern} }

// ErrUnreadable says that a log is there and may not be read.
var ErrUnreadable = errors.New("the service's log cannot be read")

// Look reads what was written since the last look, at most a mebibyte, and of what was there at the first the last 64 KiB.
// It returns all complaints that are known, the latest last, and ErrUnreadable where they may not be all. Looks follow one
// another by a second at the least.
func (l *Log) Look(now time.Time) ([]Complaint, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.looked.IsZero() || now.Sub(l.looked) >= lookEvery || now.Before(l.looked) {
		l.err = l.look()
		l.looked = now
	}
	return slices.Clone(l.found), l.err
}

func (l *Log) look() error {
	files, err := l.files()
	budget := int64(lookRead)
	kept := l.followed[:0:0]
	for _, f := range l.followed {
		i := slices.IndexFunc(files, func(m file) bool { return os.SameFile(m.info, f.info) })
		if i < 0 { // another name now, perhaps: what was written before that is read to its end
			if renamed, ok := f.elsewhere(); ok {
				err = errors.Join(err, l.read(f, renamed, &budget))
			}
			continue
		}
		err = errors.Join(err, l.read(f, files[i], &budget))
		files = slices.Delete(files, i, i+1)
		kept = append(kept, f)
	}
	for _, m := range files {
		f := &followed{info: m.info, offset: max(0, m.info.Size()-l.back())}
		f.skipping = f.offset > 0
		err = errors.Join(err, l.read(f, m, &budget))
		kept = append(kept, f)
	}
	l.followed = kept
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnreadable, err)
	}
	return nil
}

// back is how much of the end of a file that was not followed before is read.
func (l *Log) back() int64 {
	if l.looked.IsZero() {
		return firstRead
	}
	return lookRead
}

// file is one that the pattern stands for.
type file struct {
	path string
	info fs.FileInfo
}

// files are the latest regular files that the pattern stands for. The error says that some may not be seen.
func (l *Log) files() ([]file, error) {
	paths, err := filepath.Glob(l.pattern)
	if err != nil {
		return nil, err
	}
	if len(paths) == 0 { // Glob does not say what it may not see
		return nil, unseen(l.pattern)
	}
	var files []file
	for _, path := range paths[:min(len(paths), maxMatches)] {
		info, denied := os.Stat(path)
		switch {
		case errors.Is(denied, fs.ErrPermission):
			err = denied
		case denied == nil && info.Mode().IsRegular():
			files = append(files, file{path, info})
		}
	}
	slices.SortStableFunc(files, func(a, b file) int { return b.info.ModTime().Compare(a.info.ModTime()) })
	return files[:min(len(files), maxFollowed)], err
}

// unseen is why nothing is seen of a pattern, where that is not that there is nothing.
func unseen(pattern string) error {
	const special = `*?[\`
	dir := pattern
	for strings.ContainsAny(dir, special) {
		dir = filepath.Dir(dir)
	}
	var err error
	if dir == pattern {
		_, err = os.Stat(pattern)
	} else {
		_, err = os.ReadDir(dir)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// followed is a file that is read as it grows.
type followed struct {
	info     fs.FileInfo // as it was at the last look
	read     bool        // once at least
	path     string
	offset   int64  // where reading goes on
	mark     []byte // what stood right before that
	pending  []byte // a line whose end has not come yet
	skipping bool   // up to the end of a line
	reading  reading
}

// elsewhere finds the file under another name in its folder, where who rotates logs puts them.
func (f *followed) elsewhere() (file, bool) {
	dir, err := os.Open(filepath.Dir(f.path))
	if err != nil {
		return file{}, false
	}
	defer func() { _ = dir.Close() }() // only read
	names, _ := dir.Readdirnames(maxMatches)
	for _, name := range names {
		path := filepath.Join(filepath.Dir(f.path), name)
		if info, err := os.Lstat(path); err == nil && os.SameFile(info, f.info) {
			return file{path, info}, true
		}
	}
	return file{}, false
}

// end takes the complaint in whose stack trace reading has stopped: a log is written a trace at a time.
func (l *Log) end(f *followed) {
	l.take(f, f.reading.trace)
	f.reading.trace = nil
}

func (l *Log) take(f *followed, c *Complaint) {
	if c == nil {
		return
	}
	c.File = filepath.Base(f.path)
	l.found = l.found.add(*c)
}

// read takes what was written to a file since.
func (l *Log) read(f *followed, m file, budget *int64) error {
	before := f.info
	f.path, f.info = m.path, m.info
	if f.read && before.Size() == m.info.Size() && before.ModTime().Equal(m.info.ModTime()) {
		return nil
	}
	// Not to wait for who writes to a pipe that has come in the place of the file.
	opened, err := os.OpenFile(m.path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = opened.Close() }() // only read
	info, err := opened.Stat()
	if err != nil || !info.Mode().IsRegular() || !os.SameFile(info, m.info) {
		return err // another has come in its place: the next look finds it
	}
	f.info, f.read = info, true
	return l.readOn(f, opened, budget)
}

// readOn reads from where reading goes on, or from the beginning of what has come in the place of what was read.
func (l *Log) readOn(f *followed, opened io.ReaderAt, budget *int64) error {
	if !f.continues(opened) {
		*f = followed{info: f.info, path: f.path, read: true}
	}
	if left := f.info.Size() - f.offset; left > *budget {
		f.offset += left - *budget
		f.pending, f.skipping = nil, true
	}
	part := make([]byte, min(f.info.Size()-f.offset, *budget))
	n, err := opened.ReadAt(part, f.offset)
	if errors.Is(err, io.EOF) { // it was cut since
		err = nil
	}
	part = part[:n]
	*budget -= int64(n)
	f.offset += int64(n)
	f.mark = append(f.mark, part[max(0, n-markSize):]...)
	f.mark = f.mark[max(0, len(f.mark)-markSize):]
	l.lines(f, part)
	l.end(f)
	return err
}

// continues says whether what was read of a file still stands in it.
func (f *followed) continues(opened io.ReaderAt) bool {
	if f.info.Size() < f.offset {
		return false
	}
	there := make([]byte, len(f.mark))
	_, err := opened.ReadAt(there, f.offset-int64(len(there)))
	return (err == nil || errors.Is(err, io.EOF)) && bytes.Equal(there, f.mark)
}

// lines takes the lines that are complete, and keeps the beginning of one that is not.
func (l *Log) lines(f *followed, part []byte) {
	for len(part) > 0 {
		line, rest, complete := bytes.Cut(part, []byte{'\n'})
		part = rest
		if !f.skipping {
			f.pending = append(f.pending, line[:min(len(line), maxLogLine-len(f.pending))]...)
		}
		if !complete {
			return
		}
		if !f.skipping {
			text := strings.TrimSuffix(string(f.pending), "\r")
			l.take(f, f.reading.line(text, f.info.ModTime()))
		}
		f.pending, f.skipping = f.pending[:0], false
	}
}
