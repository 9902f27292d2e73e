package guard

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

	"sallyport/firewall"
	"sallyport/firewall/kernel"
)

const (
	recordName   = "ruleset.json"
	recordSchema = 1
	// recordBytes is above what a configuration of the largest size makes of two policies: each of its 400,000 values is a
	// line of some 60 bytes.
	recordBytes = 64 << 20
)

// ErrBadRecord says that a record cannot be read: it is damaged, or of a later version.
var ErrBadRecord = errors.New("the record of what is in force is no good")

// Record is what is kept of the ruleset in force across the end of every process.
type Record struct {
	Schema  int    `json:"schema"`
	Runtime string `json:"runtime,omitempty"` // paths.runtime of the last good configuration

	Ownership kernel.Ownership `json:"ownership"` // of the configuration in force

	Committed  *Recorded   `json:"committed,omitempty"`   // the policy in force, or to go back to; nil: none ever was
	Trial      *Tried      `json:"trial,omitempty"`       // begun, and neither confirmed nor cleaned up since
	RolledBack *RolledBack `json:"rolled_back,omitempty"` // the latest trial that came to nothing, until another apply
}

// Recorded is a policy that was put in force.
type Recorded struct {
	Policy firewall.Policy `json:"policy"`
	Hash   string          `json:"hash"`   // firewall.Ruleset.PolicyHash
	Digest string          `json:"digest"` // of the configuration
	Since  time.Time       `json:"since"`
}

// Tried is a policy on trial.
type Tried struct {
	Recorded
	Deadline time.Time     `json:"deadline"` // by the clock of the host, for people: the kernel's is the truth
	Within   time.Duration `json:"within_ns"`

	Ownership kernel.Ownership `json:"ownership"`      // of its configuration
	Open      bool             `json:"open,omitempty"` // nothing was in force before, whatever Committed says
}

// Store is the file in which a record is kept, in a folder of its own.
type Store struct{ Dir string }

// Path is the file.
func (s Store) Path() string { return filepath.Join(s.Dir, recordName) }

// Read reads the record. Where there is no file it is an empty one. A file that is no good is set aside, under a name
// beside it that the error tells; the record is an empty one then, and the error is ErrBadRecord.
// One that this user may not read stays.
func (s Store) Read() (Record, error) {
	record, err := s.Peek()
	if errors.Is(err, ErrBadRecord) {
		return Record{}, fmt.Errorf("%w%s", err, s.setAside())
	}
	return record, err
}

// Peek is Read, and leaves a file that is no good where it is.
func (s Store) Peek() (Record, error) {
	file, err := os.OpenFile(s.Path(), os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Record{}, nil
	case errors.Is(err, fs.ErrPermission):
		return Record{}, fmt.Errorf("read what is in force: %w", err)
	case err != nil:
		return Record{}, fmt.Errorf("%w: %w", ErrBadRecord, err)
	}
	record, err := decodeRecord(io.LimitReader(file, recordBytes+1))
	if closed := file.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return Record{}, fmt.Errorf("%w: %s: %w", ErrBadRecord, s.Path(), err)
	}
	return record, nil
}

// setAside renames the file, and says in words what came of it.
func (s Store) setAside() string {
	aside := s.Path() + ".bad"
	if err := os.Rename(s.Path(), aside); err != nil {
		return fmt.Sprintf("; it could not be set aside: %v", err)
	}
	return "; it was set aside as " + aside
}

// decodeRecord reads a record strictly: what this version does not know would be lost by the next write.
func decodeRecord(r io.Reader) (Record, error) {
	text, err := io.ReadAll(r)
	if err != nil {
		return Record{}, err
	}
	if len(text) > recordBytes {
		return Record{}, fmt.Errorf("it has more than %d MiB", recordBytes>>20)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	var record Record
	if err := decoder.Decode(&record); err != nil {
		return Record{}, err
	}
	if decoder.More() {
		return Record{}, errors.New("something follows the record")
	}
	return record, record.validate()
}

// validate holds that each policy is one.
func (r *Record) validate() error {
	if r.Schema != recordSchema {
		return fmt.Errorf("schema %d, want %d", r.Schema, recordSchema)
	}
	if r.Committed != nil {
		if err := r.Committed.validate(); err != nil {
			return err
		}
	}
	if r.Trial != nil {
		return r.Trial.validate()
	}
	return nil
}

// validate compiles the policy, and takes its hash anew: another version may have made another one of it.
func (r *Recorded) validate() error {
	ruleset, err := r.Ruleset()
	r.Hash = ruleset.PolicyHash()
	return err
}

// Ruleset is what the policy compiles to.
func (r Recorded) Ruleset() (firewall.Ruleset, error) {
	ruleset, err := firewall.Compile(r.Policy)
	if err != nil {
		return firewall.Ruleset{}, fmt.Errorf("its policy: %w", err)
	}
	return ruleset, nil
}

// Make makes the folder where it is missing.
func (s Store) Make() error {
	if err := os.MkdirAll(s.Dir, 0o700); err != nil {
		return fmt.Errorf("record what is in force: %w (set paths.state to a folder that this user may make)", err)
	}
	return nil
}

// Write puts the record in place of the one that is there: whole or not at all, and on the disk when it returns. It makes
// the folder where it is missing. The file is its owner's alone, and its owner the folder's, so that a guard which is not
// root reads what root has written.
func (s Store) Write(r Record) (err error) {
	r.Schema = recordSchema
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("record what is in force: %w", err)
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("record what is in force: %w (set paths.state to a folder that this user may write)", err)
		}
	}()
	if err := os.MkdirAll(s.Dir, 0o700); err != nil {
		return err
	}
	file, err := os.CreateTemp(s.Dir, "."+recordName+"-*") // with mode 0600
	if err != nil {
		return err
	}
	if err := errors.Join(s.fill(file, append(text, '\n')), file.Close()); err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	if err := os.Rename(file.Name(), s.Path()); err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return syncFolder(s.Dir)
}

func (s Store) fill(file *os.File, text []byte) error {
	if _, err := file.Write(text); err != nil {
		return err
	}
	if err := s.handOver(file); err != nil {
		return err
	}
	return file.Sync()
}

// handOver gives a file of root's to the owner of the folder.
func (s Store) handOver(file *os.File) error {
	folder, err := os.Stat(s.Dir)
	if err != nil || os.Geteuid() != 0 {
		return nil //nolint:nilerr // where there is no folder, that is said by what is done next
	}
	owner, ok := folder.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	return file.Chown(int(owner.Uid), int(owner.Gid))
}

// syncFolder makes a rename lasting.
func syncFolder(dir string) error {
	folder, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// Opening is what a guard begins with.
type Opening uint8

// The ways in which a guard begins.
const (
	OpenNothing    Opening = iota // the configuration is no good, and nothing is recorded: it cannot begin
	OpenConfigured                // with what the configuration asks for
	OpenResumed                   // with the trial that runs in the kernel
	OpenCommitted                 // with the committed policy of the record: the configuration is no good
	OpenRolledBack                // with that, if there is one: the configuration asks for what came to nothing
)

// String is what a guard begins with, in words.
func (o Opening) String() string {
	switch o {
	case OpenConfigured:
		return "the policy of the configuration"
	case OpenResumed:
		return "the trial that runs"
	case OpenCommitted, OpenRolledBack:
		return "the policy of the record"
	default:
		return "nothing"
	}
}

// Open decides what a guard begins with, and what the record is then. The hash is that of the policy that the
// configuration asks for, empty where it is no good; running is that of the candidate on trial in the kernel, empty where
// none is.
func (r Record) Open(hash, running string) (Opening, Record) {
	if r.Trial != nil && running == r.Trial.Hash {
		return OpenResumed, r
	}
	r = r.Expire()
	switch {
	case hash == "" && r.Committed == nil:
		return OpenNothing, r
	case hash == "":
		return OpenCommitted, r
	case r.RolledBack != nil && r.RolledBack.Hash == hash:
		return OpenRolledBack, r
	}
	return OpenConfigured, r
}

// Expire is the record after its trial came to nothing while nobody looked; as it is where there is none.
func (r Record) Expire() Record {
	if r.Trial != nil {
		r.RolledBack = &RolledBack{Hash: r.Trial.Hash, Digest: r.Trial.Digest, At: r.Trial.Deadline, Reason: Expired}
		r.Trial = nil
	}
	return r
}

// Refuses is an error where the policy of that hash came to nothing on trial, and nobody has applied it since.
func (r Record) Refuses(hash string) error {
	if r.RolledBack == nil || r.RolledBack.Hash != hash {
		return nil
	}
	return fmt.Errorf("this policy was %s; correct it, or try it again with `sallyport apply`", r.RolledBack)
}
