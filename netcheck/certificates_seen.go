package netcheck

import "sallyport/netcheck/memory"

// seenSchema is the version of the files of SeenCertificate.
const seenSchema = 1

// seenFiles keeps the certificates of each check in a file of its own.
type seenFiles struct{ folder memory.Folder }

// KeepSeen keeps in a folder which certificates checks have seen.
func KeepSeen(folder memory.Folder) Seen { return seenFiles{folder} }

func (s seenFiles) of(check string) memory.File[[]SeenCertificate] {
	return memory.File[[]SeenCertificate]{
		Folder: s.folder, Subject: memory.Subject("certificates", check), Schema: seenSchema,
	}
}

// Last is what was stored for the check.
func (s seenFiles) Last(check string) ([]SeenCertificate, error) { return s.of(check).Read() }

// Store replaces what is kept for the check.
func (s seenFiles) Store(check string, certificates []SeenCertificate) error {
	return s.of(check).Write(certificates)
}
