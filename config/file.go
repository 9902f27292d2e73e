package config

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/goccy/go-yaml/ast"
)

const (
	// credentials is where systemd puts the secrets of a unit (systemd.exec(5), LoadCredential=).
	credentials = "${CREDENTIALS_DIRECTORY}"
	// maxPassword bounds a password, in bytes: a larger file is the wrong file.
	maxPassword = 4096
	// maxKey bounds a private key in PEM: one of RSA with 16384 bits has less than 13 KiB.
	maxKey = 32 << 10
	// pathPattern is an absolute path, or one below the credentials.
	pathPattern = `^(/|\$\{CREDENTIALS_DIRECTORY\}/)`
)

// paths is the form of an absolute path.
func paths() form[string] {
	f := text()
	f.schema.Pattern = `^/`
	return f.then(func(r *reader, at ast.Node, path string) bool { return r.absolute(at, path) }).cleaned()
}

// cleaned is the form of a path without dots and double slashes.
func (f form[T]) cleaned() form[string] {
	return form[string]{schema: f.schema, read: func(r *reader, n ast.Node) (string, bool) {
		v, ok := f.read(r, n)
		if path, isText := any(v).(string); ok && isText {
			return filepath.Clean(path), true
		}
		return "", false
	}}
}

func (r *reader) absolute(at ast.Node, path string) bool {
	switch {
	case strings.Contains(path, "$"):
		r.wrong(at, "write the path out; "+credentials+" may begin the path of a secret or a certificate",
			"no variable may stand here")
	case strings.HasPrefix(path, "~"):
		r.wrong(at, "write the path out, from /", "a daemon has no home folder")
	case !strings.HasPrefix(path, "/"):
		r.wrong(at, "write the path from /", "this is not an absolute path")
	default:
		return true
	}
	return false
}

// expanded is the form of the path of a file that systemd may bring. The path is not in any message: people write the
// secret itself here.
func expanded() form[string] {
	f := text()
	f.schema.Pattern = pathPattern
	return form[string]{schema: f.schema, read: func(r *reader, n ast.Node) (string, bool) {
		path, ok := f.read(r, n)
		if !ok {
			return "", false
		}
		if rest, found := strings.CutPrefix(path, credentials); found && !strings.Contains(rest, "$") {
			return r.expand(n, rest)
		}
		if !r.absolute(n, path) {
			return "", false
		}
		return filepath.Clean(path), true
	}}
}

// expand is the path below the folder of the credentials. Where no file is looked at, an unset variable stays as it is.
func (r *reader) expand(at ast.Node, rest string) (string, bool) {
	if clean := filepath.Clean(rest); !strings.HasPrefix(rest, "/") || clean == "/" || clean != rest {
		r.wrong(at, "write "+credentials+"/name", "the name of one credential belongs after "+credentials)
		return "", false
	}
	folder := r.opts.Environ("CREDENTIALS_DIRECTORY")
	switch {
	case folder == "" && r.opts.SkipFiles:
		return credentials + rest, true
	case folder == "":
		r.wrong(at, "put LoadCredential="+rest[1:]+":/etc/sallyport/"+rest[1:]+" into the unit, or write an absolute path; "+
			"to try the file by hand, set CREDENTIALS_DIRECTORY",
			credentials+" is not set: systemd sets it for a unit with credentials")
		return "", false
	case !filepath.IsAbs(folder):
		r.wrong(at, "set it to an absolute path, as systemd does", "CREDENTIALS_DIRECTORY is not an absolute path")
		return "", false
	}
	return filepath.Join(folder, rest), true
}

// certificates is the form of the path of a file of certificates.
func certificates() form[string] {
	return expanded().then(func(r *reader, at ast.Node, path string) bool { return r.readable(at, path, false) })
}

// readable says whether a file, or where allowed a folder, can be read by this process.
func (r *reader) readable(at ast.Node, path string, folderToo bool) bool {
	if r.opts.SkipFiles {
		return true
	}
	file, info, err := open(path)
	if err != nil {
		r.unreadable(at, err)
		return false
	}
	defer func() { _ = file.Close() }()
	switch {
	case info.Mode().IsRegular():
		return true
	case info.IsDir() && folderToo:
		if _, err := file.ReadDir(1); err != nil {
			r.wrong(at, "put PEM files into it, or name another", "there is nothing in this folder")
			return false
		}
		return true
	case info.IsDir():
		r.wrong(at, "name the file in it", "this is a folder, not a file")
	default:
		r.wrong(at, "name a file", "this is not a regular file")
	}
	return false
}

// open opens a file without waiting, whatever it is.
func open(path string) (*os.File, fs.FileInfo, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	info, err := file.Stat()
	if err != nil {
		return nil, nil, errors.Join(err, file.Close())
	}
	return file, info, nil
}

func (r *reader) unreadable(at ast.Node, err error) {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		r.wrong(at, "create it, or correct the path", "there is no such file")
	case errors.Is(err, fs.ErrPermission):
		r.wrong(at, "give the user of this process the right to read it, and to enter the folders above it",
			"the file cannot be read by this user")
	default:
		var why *fs.PathError
		if errors.As(err, &why) {
			err = why.Err
		}
		r.wrong(at, "correct the path", "the file cannot be opened: %s", quoteless(err.Error()))
	}
}

// secret is what a file holds that nobody else may read.
type secret struct {
	what string // as in "name a file that holds ..."
	kind string // as in "change the ..."
	most int64  // its size, in bytes
}

// passwords is the form of the path of a file that holds one password and that nobody else can read.
func passwords() form[string] {
	return secrets(secret{what: "the password alone", kind: "password", most: maxPassword})
}

// privateKeys is the form of the path of a file that holds one private key and that nobody else can read.
func privateKeys() form[string] {
	return secrets(secret{what: "one private key in PEM", kind: "key", most: maxKey})
}

func secrets(s secret) form[string] {
	return expanded().then(func(r *reader, at ast.Node, path string) bool {
		return r.opts.SkipFiles || r.secret(at, path, s)
	})
}

func (r *reader) secret(at ast.Node, path string, s secret) bool {
	file, info, err := open(path)
	if err != nil {
		r.unreadable(at, err)
		return false
	}
	defer func() { _ = file.Close() }()
	switch {
	case !info.Mode().IsRegular():
		r.wrong(at, "name a file that holds "+s.what, "this is not a regular file")
		return false
	case info.Mode().Perm()&0o077 != 0 && !r.isCredential(path):
		r.wrong(at, "chmod 600 "+path+", and change the "+s.kind+" if others could read it",
			"others than its owner have rights on this file (mode %04o)", info.Mode().Perm())
		return false
	}
	content, err := io.ReadAll(io.LimitReader(file, s.most+1))
	switch {
	case err != nil:
		r.unreadable(at, err)
	case int64(len(content)) > s.most:
		r.wrong(at, "name a file that holds "+s.what, "this file is too large for a %s", s.kind)
	case len(bytes.TrimRight(content, "\r\n")) == 0:
		r.wrong(at, "write the "+s.kind+" to it", "this file is empty")
	default:
		return true
	}
	return false
}

// isCredential says whether systemd made the file: where it grants a user by access control list, the mode shows the
// list's mask as rights of the group (acl(5)), though the group has none.
func (r *reader) isCredential(path string) bool {
	folder := r.opts.Environ("CREDENTIALS_DIRECTORY")
	return filepath.IsAbs(folder) && filepath.Dir(path) == filepath.Clean(folder)
}

// roots is the form of one entry of roots: the word system, or the path of certificates.
func roots() form[string] {
	path := expanded().then(func(r *reader, at ast.Node, path string) bool { return r.readable(at, path, true) })
	s := path.schema
	s.Pattern = `^(system$|/|\$\{CREDENTIALS_DIRECTORY\}/)`
	return form[string]{schema: s, read: func(r *reader, n ast.Node) (string, bool) {
		if v, ok := textOf(n); ok && v == "system" {
			return v, true
		}
		if v, ok := textOf(n); ok && nearest(v, []string{"system"}) != "" {
			r.wrong(n, "write system, or the path of a PEM file, of a store of Java's or of a folder of PEM files",
				"%s is not a place of roots", quote(v))
			return "", false
		}
		return path.read(r, n)
	}}
}
