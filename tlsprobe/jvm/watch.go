package jvm

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	lookEvery  = 30 * time.Second       // the service's process is looked for
	statsCount = 100 * time.Millisecond // the files are not looked at again: one run of a check asks twice
)

// Watch knows the service's Java and its trust store at any time. Both are looked at again when they change; in between,
// asking costs some stat(2), ten times a second at most. It is safe for concurrent use, and one is for all checks.
type Watch struct {
	service   Service
	passwords []string
	memory    Memory

	mu     sync.Mutex
	host   Host
	looked time.Time
	now    Machine
	err    error     // of finding it
	stated time.Time // when the files were looked at; zero: not since the machine was found
	stamp  stamp     // of the files that trust, or its error, was made of
	trust  *Trust
	broken error // of reading it
	last   Seen
}

// NewWatch watches the Java of a service. Passwords are tried on its store, where no flag says which is right. Memory
// may be nil: a store that was replaced while Sallyport did not run is not noticed then.
func NewWatch(service Service, passwords []string, memory Memory) *Watch {
	return &Watch{service: service, passwords: passwords, memory: memory}
}

// Trust is what the service trusts now. The error says why that cannot be told, and what mends it.
func (w *Watch) Trust(now time.Time) (*Trust, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.look(now)
	if w.err != nil {
		return nil, w.err
	}
	if age := now.Sub(w.stated); age >= 0 && age < statsCount {
		return w.trust, w.broken
	}
	w.stated = now
	if stamp := stampOf(w.now); w.trust == nil && w.broken == nil || stamp != w.stamp {
		w.stamp = stamp
		w.trust, w.broken = read(w.now, w.passwords)
		if w.broken == nil {
			w.compare(now)
		}
	}
	return w.trust, w.broken
}

// look finds the machine, if it is time for that. That of a process is kept for the time when the service does not run.
func (w *Watch) look(now time.Time) {
	if age := now.Sub(w.looked); !w.looked.IsZero() && age >= 0 && age < lookEvery {
		return
	}
	w.looked, w.stated = now, time.Time{}
	w.now, w.err = w.host.Find(w.service)
	if w.err == nil && w.now.Running {
		seen := w.now
		w.host.Seen, w.host.SeenAt = &seen, now
	}
}

// compare notes what became of the store since it was last seen. A memory that cannot be written is no reason to judge
// nothing: it only makes the next start forgetful.
func (w *Watch) compare(now time.Time) {
	if w.last.SHA256 == "" && w.memory != nil {
		w.last, _ = w.memory.LastStore()
	}
	seen := Seen{Path: w.trust.Store.Path, SHA256: w.trust.SHA256, At: now, Authorities: w.trust.authorities()}
	if w.last.SHA256 == seen.SHA256 && w.last.Path == seen.Path {
		w.trust.Replaced = w.last.Replaced
		return
	}
	seen.Replaced = w.last.Replaced
	if w.last.SHA256 != "" {
		if change := replaced(w.last, seen); change != nil {
			seen.Replaced = change
		}
	}
	w.trust.Replaced, w.last = seen.Replaced, seen
	if w.memory != nil {
		_ = w.memory.StoreSeen(seen)
	}
}

// stamp tells whether what trust was made of is still as it was.
type stamp struct {
	home, how, store, security, password string
	file, properties, further, net       fileStamp
}

type fileStamp struct {
	inode, device uint64
	size          int64
	modified      time.Time
	absent        bool
}

func stampOf(m Machine) stamp {
	store := m.StoreFile()
	s := stamp{home: m.Home, how: m.How, store: store.Path, security: m.Flags[PropertySecurity],
		password: m.Flags[PropertyTrustStorePassword], file: fileStampOf(store.Path)}
	if s.security != "" {
		s.further = fileStampOf(m.path(strings.TrimPrefix(s.security, "=")))
	}
	s.properties = firstStampOf(m.Home, "conf/security/java.security", "lib/security/java.security")
	s.net = firstStampOf(m.Home, netProperties()...)
	return s
}

// firstStampOf is that of the first of some places in a folder where there is a file.
func firstStampOf(folder string, places ...string) (s fileStamp) {
	for _, place := range places {
		if s = fileStampOf(filepath.Join(folder, place)); !s.absent {
			break
		}
	}
	return s
}

func fileStampOf(path string) fileStamp {
	info, err := os.Stat(path)
	if err != nil {
		return fileStamp{absent: true}
	}
	s := fileStamp{size: info.Size(), modified: info.ModTime()}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		s.inode, s.device = stat.Ino, stat.Dev
	}
	return s
}

func fingerprint(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
