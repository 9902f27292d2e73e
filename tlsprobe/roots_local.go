package tlsprobe

import (
	"crypto/x509"
	"io/fs"
	"os"
	"path/filepath"
)

// localFolders are where an administrator adds authorities to the system's store. What lies there is trusted by this host
// and its like, and by nobody else.
func localFolders() []string {
	return []string{
		"/usr/local/share/ca-certificates",          // Debian, Ubuntu, Alpine: update-ca-certificates(8)
		"/etc/pki/ca-trust/source/anchors",          // Fedora, RHEL: update-ca-trust(8)
		"/etc/pki/trust/anchors",                    // openSUSE
		"/etc/ca-certificates/trust-source/anchors", // Arch
	}
}

// local is the file by which an authority of the system's store was added on this host; false for one that came with the
// system, or that is named as a trust store of its own.
func (r *Roots) local(authority *x509.Certificate) (file string, ok bool) {
	if r == nil {
		return "", false
	}
	file, ok = r.added[string(authority.Raw)]
	return file, ok && !r.meant[string(authority.Raw)]
}

// noteLocal remembers which of the authorities lie in one of the folders. What cannot be read is passed by: it is about
// what is remarkable of those that are trusted, not about whom to trust.
func (r *Roots) noteLocal(folders []string) {
	files := 0
	for _, folder := range folders {
		_ = filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
			if files++; files > maxRootsFiles {
				return fs.SkipAll
			}
			if err != nil || entry.IsDir() {
				return nil //nolint:nilerr // a folder that is not there has nothing to tell
			}
			if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
				return nil //nolint:nilerr // as above
			}
			one := NewRoots()
			if one.loadFile(path) != nil {
				return nil
			}
			for authority := range one.all() {
				if r.holds(authority) {
					r.added[string(authority.Raw)] = path
				}
			}
			return nil
		})
	}
}
