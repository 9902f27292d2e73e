package tlsprobe

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"

	"sallyport/tlsprobe/keystore"
)

// Bounds on a trust store: several times the largest that are in use (Debian's has 150 roots in 220 KiB).
const (
	maxRootsFile  = keystore.MaxBytes
	maxRootsFiles = 4096
	maxRoots      = keystore.MaxEntries
)

// SourceSystem names the system's trust store in a list of sources.
const SourceSystem = "system"

// Roots are trusted authorities, parsed once and shared by every probe, at the same time too. They do not change: load
// them again when the files do.
type Roots struct {
	pool      *x509.CertPool
	bySubject map[string][]*x509.Certificate
	count     int
	passwords []string                     // of Java stores, while they are read
	added     map[string]string            // by DER form: the file by which it came into the system's store on this host
	meant     map[string]bool              // by DER form: stands in a file or folder that the operator named
	memory    memory                       // of chains that lead to one of these
	files     map[[sha256.Size]byte]string // see File
}

// NewRoots trusts exactly the given authorities.
func NewRoots(authorities ...*x509.Certificate) *Roots {
	r := &Roots{
		pool: x509.NewCertPool(), bySubject: map[string][]*x509.Certificate{},
		added: map[string]string{}, meant: map[string]bool{},
	}
	for _, authority := range authorities {
		r.add(authority)
	}
	return r
}

// LoadRoots reads trust stores: the word system, a PEM file, a folder of PEM files, or a store of Java's (JKS or
// PKCS #12), which one of the passwords, Java's default one or the empty one opens. An authority that stands in several
// counts once. The error names the source and the mend: a source that cannot be read, holds no certificate, or is of
// another kind (JCEKS, a single DER certificate).
func LoadRoots(sources []string, passwords ...string) (*Roots, error) {
	r := NewRoots()
	passwords = append(slices.Clone(passwords), keystore.DefaultPassword, "")
	for _, source := range sources {
		one := NewRoots()
		one.passwords = passwords
		if err := one.load(source); err != nil {
			return nil, err
		}
		for authority := range one.all() {
			if r.add(authority); r.count > maxRoots {
				return nil, &boundError{source, fmt.Sprintf("more than %d certificates with those before it", maxRoots)}
			}
			if path := one.File(authority); path != "" {
				r.alone(authority, path)
			}
			r.meant[string(authority.Raw)] = r.meant[string(authority.Raw)] || source != SourceSystem
		}
	}
	r.noteLocal(localFolders())
	if r.count == 0 {
		return nil, errors.New("no trusted authority: name system, a PEM file, a folder of PEM files or a Java key store")
	}
	return r, nil
}

// Len is how many authorities are trusted.
func (r *Roots) Len() int {
	if r == nil {
		return 0
	}
	return r.count
}

func (r *Roots) load(source string) error {
	if source == SourceSystem {
		return r.loadSystem()
	}
	info, err := os.Stat(source)
	if err != nil {
		return fmt.Errorf("trust store: %w", err)
	}
	if info.IsDir() {
		return r.loadFolder(source)
	}
	return r.loadFile(source)
}

// loadFolder takes every PEM file of a folder. Other files, and what it has of unreadable or foreign ones, are passed
// by, as OpenSSL does with a CApath; a folder without any certificate is an error.
func (r *Roots) loadFolder(folder string) error {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return fmt.Errorf("trust store: %w", err)
	}
	if len(entries) > maxRootsFiles {
		return fmt.Errorf("trust store %s: more than %d files", folder, maxRootsFiles)
	}
	found := false
	for _, entry := range entries {
		if aliased(folder, entry) {
			continue
		}
		err := r.loadFile(filepath.Join(folder, entry.Name()))
		if tooMuch, ok := errors.AsType[*boundError](err); ok {
			return tooMuch
		}
		found = found || err == nil
	}
	if !found {
		return fmt.Errorf("trust store %s: no certificate in any file of the folder: put PEM files there", folder)
	}
	return nil
}

// aliased says that an entry is no file, or a link to another name in the same folder, as c_rehash makes them.
func aliased(folder string, entry os.DirEntry) bool {
	path := filepath.Join(folder, entry.Name())
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		return true
	}
	if entry.Type()&os.ModeSymlink == 0 {
		return false
	}
	target, err := os.Readlink(path)
	return err == nil && filepath.Base(target) == target
}

// boundError is a trust store that is larger than any real one.
type boundError struct{ path, what string }

func (e *boundError) Error() string { return "trust store " + e.path + ": " + e.what }

func (r *Roots) loadFile(path string) error {
	data, err := readBounded(path)
	if err != nil {
		return err
	}
	if keystore.IsJava(data) {
		return r.addStore(path, data)
	}
	if kind := otherKind(data); kind != "" {
		return fmt.Errorf("trust store %s: %s", path, kind)
	}
	return r.addPEM(path, data)
}

func readBounded(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("trust store: %w", err)
	}
	defer func() { _ = file.Close() }()
	data, err := io.ReadAll(io.LimitReader(file, maxRootsFile+1))
	if err != nil {
		return nil, fmt.Errorf("trust store: %w", err)
	}
	if len(data) > maxRootsFile {
		return nil, &boundError{path, fmt.Sprintf("larger than %d MiB", maxRootsFile>>20)}
	}
	return data, nil
}

// addStore adds what a store of Java's makes trusted.
func (r *Roots) addStore(path string, data []byte) error {
	store, err := keystore.Parse(data, keystore.Options{Passwords: r.passwords})
	if err != nil {
		return fmt.Errorf("trust store %s: %w", path, err)
	}
	if len(store.Entries) == 0 {
		return fmt.Errorf("trust store %s: no trusted certificate in it: add one with keytool -importcert", path)
	}
	for _, entry := range store.Entries {
		if r.count >= maxRoots {
			return &boundError{path, fmt.Sprintf("more than %d certificates", maxRoots)}
		}
		r.add(entry.Certificate)
	}
	return nil
}

// addPEM adds every CERTIFICATE block. A block that does not parse is passed by when others do: real stores hold a few
// that Go refuses (negative serial numbers).
func (r *Roots) addPEM(path string, data []byte) error {
	var bad error
	var last *x509.Certificate
	found := 0
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		authority, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			bad = err
			continue
		}
		if found++; r.count >= maxRoots {
			return &boundError{path, fmt.Sprintf("more than %d certificates", maxRoots)}
		}
		r.add(authority)
		last = authority
	}
	if found == 1 {
		r.alone(last, path)
	}
	switch {
	case found > 0:
		return nil
	case bad != nil:
		return fmt.Errorf("trust store %s: none of its certificates can be read: %w", path, bad)
	default:
		return fmt.Errorf("trust store %s: no CERTIFICATE block in it: give a PEM file of authorities", path)
	}
}

func (r *Roots) add(authority *x509.Certificate) {
	if r.holds(authority) {
		return
	}
	subject := string(authority.RawSubject)
	r.bySubject[subject] = append(r.bySubject[subject], authority)
	r.pool.AddCert(authority)
	r.count++
}

// all are the trusted authorities, in no order.
func (r *Roots) all() iter.Seq[*x509.Certificate] {
	return func(yield func(*x509.Certificate) bool) {
		for _, authorities := range r.bySubject {
			for _, authority := range authorities {
				if !yield(authority) {
					return
				}
			}
		}
	}
}

// holds says whether this very certificate is trusted.
func (r *Roots) holds(cert *x509.Certificate) bool {
	if r == nil {
		return false
	}
	for _, authority := range r.bySubject[string(cert.RawSubject)] {
		if authority.Equal(cert) {
			return true
		}
	}
	return false
}

// named are the trusted authorities of a subject, in its DER form.
func (r *Roots) named(subject []byte) []*x509.Certificate {
	if r == nil {
		return nil
	}
	return r.bySubject[string(subject)]
}
