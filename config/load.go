package config

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"syscall"
)

// maxErrors bounds what is reported of one file; beyond it, it is the wrong file.
const maxErrors = 100

// Options say under which circumstances a configuration is read.
type Options struct {
	// NoManagement accepts a firewall without any management exception.
	NoManagement bool
	// Environ looks up an environment variable for the expansion of ${CREDENTIALS_DIRECTORY}; nil is os.Getenv.
	Environ func(string) string
	// SkipFiles leaves the files that keys name unread: for tests, and for the configuration of another host.
	SkipFiles bool
}

// Read is the text of the configuration at path, not looked at yet, for Parse. The error is Errors.
func Read(path string) ([]byte, error) {
	data, wrong := readFile(path)
	if wrong != nil {
		return nil, Errors{*wrong}
	}
	return data, nil
}

// Parse validates the text of a configuration; name stands for its file in errors. The error is Errors.
func Parse(name string, data []byte, opts Options) (*Config, error) {
	src, wrong := newSource(name, data)
	if wrong != nil {
		return nil, Errors{*wrong}
	}
	root, errs := src.parse()
	if len(errs) > 0 {
		return nil, errs.sorted().capped(name)
	}
	if opts.Environ == nil {
		opts.Environ = os.Getenv
	}
	r := &reader{src: src, opts: opts, claimed: map[string]Place{}}
	c := fileForm().of(r, root)
	if len(r.errs) > 0 {
		return nil, r.errs.sorted().capped(name)
	}
	c.File, c.Digest = name, fmt.Sprintf("%x", sha256.Sum256(data))
	slices.SortStableFunc(r.notices, func(a, b Notice) int { return a.before(b.Place) })
	c.notices = r.notices
	return &c, nil
}

// readFile reads at most one byte more than a configuration may have, and nothing but a regular file: a pipe could
// keep a reload waiting for ever.
func readFile(path string) ([]byte, *Error) {
	wrong := func(message, mend string) ([]byte, *Error) {
		return nil, &Error{Place: Place{File: path}, Message: message, Mend: mend}
	}
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return wrong("there is no such file", "write one with: sallyport init > "+path+", or name another with --config")
	case errors.Is(err, fs.ErrPermission):
		return wrong("the file cannot be read by this user",
			"run as root, or give the user of this process the right to read it")
	case err != nil:
		return wrong("the file cannot be opened: "+why(err), "name a readable file with --config")
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	switch {
	case err != nil:
		return wrong("the file cannot be looked at: "+why(err), "name a readable file with --config")
	case info.IsDir():
		return wrong("this is a folder, not a file", "name the file in it with --config")
	case !info.Mode().IsRegular():
		return wrong("this is not a regular file", "write the configuration to a file and name that with --config")
	case info.Mode().Perm()&0o002 != 0:
		return wrong("everybody may write this file, and so decide who gets in", "chmod o-w "+path)
	}
	data, err := io.ReadAll(io.LimitReader(file, MaxSize+1))
	if err != nil {
		return wrong("the file cannot be read: "+why(err), "look at the disk and the file system (dmesg)")
	}
	return data, nil
}

// why is what the system says of a file, without the operation and the path, which the place names already.
func why(err error) string {
	if system, ok := errors.AsType[*fs.PathError](err); ok {
		err = system.Err
	}
	return quoteless(err.Error())
}
