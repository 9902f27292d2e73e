package netcheck

import (
	"strings"

	"sallyport/netcheck/memory"
	"sallyport/tlsprobe/jvm"
)

// JavaStores keeps how the trust stores of services looked when they were last seen, across restarts. The zero value
// keeps nothing. A store of some thousand authorities is too large to be kept.
type JavaStores struct{ Folder memory.Folder }

// Of is the memory of one service's store.
func (s JavaStores) Of(service jvm.Service) jvm.Memory {
	about := strings.Join([]string{service.User, service.Executable, service.JavaHome, service.Java}, "\x00")
	return javaStore{memory.File[jvm.Seen]{Folder: s.Folder, Subject: memory.Subject("java", about), Schema: 1}}
}

type javaStore struct{ file memory.File[jvm.Seen] }

// LastStore implements jvm.Memory. What cannot be read was never seen.
func (s javaStore) LastStore() (jvm.Seen, bool) {
	seen, err := s.file.Read()
	return seen, err == nil && seen.SHA256 != ""
}

// StoreSeen implements jvm.Memory. A state that is kept nowhere is no error.
func (s javaStore) StoreSeen(seen jvm.Seen) error {
	if !s.file.Folder.Kept() {
		return nil
	}
	return s.file.Write(seen)
}
