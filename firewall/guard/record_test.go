package guard_test

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"sallyport/firewall"
	"sallyport/firewall/guard"
)

func recorded(t *testing.T, from string) guard.Recorded {
	t.Helper()
	r := guard.Recorded{Digest: "d-" + from, Since: time.Unix(1000, 0).UTC(), Policy: firewall.Policy{
		Ping: true, Management: []firewall.Exception{{
			Name: "ssh", Ports: []firewall.Ports{{Protocol: firewall.TCP, First: 22, Last: 22}},
			From: []netip.Prefix{netip.MustParsePrefix(from)}, Interfaces: []string{"eth*"},
		}},
	}}
	ruleset, err := r.Ruleset()
	if err != nil {
		t.Fatal(err)
	}
	r.Hash = ruleset.PolicyHash()
	return r
}

func fullRecord(t *testing.T) guard.Record {
	t.Helper()
	committed, tried := recorded(t, "10.1.0.0/16"), recorded(t, "2001:db8::/64")
	return guard.Record{
		Schema: 1, Runtime: "/run/sallyport", Committed: &committed,
		Trial:      &guard.Tried{Recorded: tried, Deadline: time.Unix(2000, 0).UTC(), Within: time.Minute, Open: true},
		RolledBack: &guard.RolledBack{Hash: "sha256:1", Digest: "d", At: time.Unix(3000, 0).UTC(), Reason: guard.Expired},
	}
}

// TestRecordComesBack holds that what is written is read, by its owner alone, and that nothing else is left in the folder.
func TestRecordComesBack(t *testing.T) {
	store := guard.Store{Dir: filepath.Join(t.TempDir(), "new", "state")}
	if got, err := store.Read(); err != nil || !reflect.DeepEqual(got, guard.Record{}) {
		t.Errorf("before the first: %+v, %v", got, err)
	}
	want := fullRecord(t)
	for range 2 {
		if err := store.Write(want); err != nil {
			t.Fatal(err)
		}
	}
	got, err := store.Read()
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v\ngot  %+v\nwant %+v", err, got, want)
	}
	info, err := os.Stat(store.Path())
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if left, err := os.ReadDir(store.Dir); err != nil || len(left) != 1 {
		t.Errorf("%v, %v", left, err)
	}
}

// TestRecordGoesToTheFoldersOwner holds that a guard which is not root can read what root has written.
func TestRecordGoesToTheFoldersOwner(t *testing.T) {
	store := guard.Store{Dir: t.TempDir()}
	if err := os.Chown(store.Dir, 65534, 65534); err != nil {
		t.Skipf("not root of this machine: %v", err)
	}
	if err := store.Write(fullRecord(t)); err != nil {
		t.Fatal(err)
	}
	unlock, err := store.Lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	unlock()
	files, err := os.ReadDir(store.Dir)
	if err != nil || len(files) != 2 {
		t.Fatalf("%v, %v; want the record and its lock", files, err)
	}
	for _, file := range files {
		info, err := file.Info()
		if err != nil {
			t.Fatal(err)
		}
		if owner := info.Sys().(*syscall.Stat_t); owner.Uid != 65534 || owner.Gid != 65534 {
			t.Errorf("%s is owned by %d:%d", file.Name(), owner.Uid, owner.Gid)
		}
	}
}

// TestLockLeadsNowhere holds that the folder's owner gets no other's file by a link in the lock's place.
func TestLockLeadsNowhere(t *testing.T) {
	store, other := guard.Store{Dir: t.TempDir()}, filepath.Join(t.TempDir(), "another's")
	if err := os.WriteFile(other, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_ = os.Chown(store.Dir, 65534, 65534) // else the links alone are tried
	lock := filepath.Join(store.Dir, "ruleset.lock")
	for name, link := range map[string]func(string, string) error{"symbolic": os.Symlink, "hard": os.Link} {
		if err := link(other, lock); err != nil {
			t.Fatal(err)
		}
		unlock, err := store.Lock(t.Context())
		if err == nil {
			unlock()
		}
		if name == "symbolic" && err == nil {
			t.Error("a symbolic link was followed")
		}
		info, err := os.Stat(other)
		if err != nil {
			t.Fatal(err)
		}
		if owner := info.Sys().(*syscall.Stat_t).Uid; int(owner) != os.Geteuid() {
			t.Errorf("by a %s link the file went to %d", name, owner)
		}
		if err := os.Remove(lock); err != nil {
			t.Fatal(err)
		}
	}
}

// TestBadRecordIsSetAside holds that a file that is no good is said, kept for a person to see, and in nobody's way.
func TestBadRecordIsSetAside(t *testing.T) {
	store := guard.Store{Dir: t.TempDir()}
	if err := store.Write(fullRecord(t)); err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(store.Path())
	if err != nil {
		t.Fatal(err)
	}
	for says, text := range map[string]string{
		"EOF":                            "",
		"unexpected EOF":                 string(good[:len(good)/2]),
		"invalid character":              strings.Repeat("\x00", 100),
		`unknown field "surprise"`:       strings.Replace(string(good), "{", `{"surprise": 1,`, 1),
		"schema 2, want 1":               strings.Replace(string(good), `"schema": 1`, `"schema": 2`, 1),
		"something follows":              string(good) + string(good),
		"its policy: management \"ssh\"": strings.Replace(string(good), `"First": 22`, `"First": 0`, 1),
		"more than 64 MiB":               strings.Repeat(" ", 65<<20),
	} {
		if err := os.WriteFile(store.Path(), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := store.Read()
		empty := reflect.DeepEqual(got, guard.Record{})
		if !errors.Is(err, guard.ErrBadRecord) || !strings.Contains(err.Error(), says) || !empty {
			t.Errorf("%+v, %v; want %s", got, err, says)
		}
		if kept, err := os.ReadFile(store.Path() + ".bad"); err != nil || string(kept) != text {
			t.Errorf("%s: not set aside: %v", says, err)
		}
		if _, err := store.Read(); err != nil {
			t.Errorf("the second time: %v", err)
		}
	}
}

// TestRecordIsNoFile holds that a link, a folder or a pipe in its place is refused, and waits for nobody.
func TestRecordIsNoFile(t *testing.T) {
	for name, make := range map[string]func(string) error{
		"link":   func(p string) error { return os.Symlink("/etc/passwd", p) },
		"folder": func(p string) error { return os.Mkdir(p, 0o700) },
		"pipe":   func(p string) error { return syscall.Mkfifo(p, 0o600) },
	} {
		store := guard.Store{Dir: t.TempDir()}
		if err := make(store.Path()); err != nil {
			t.Fatal(err)
		}
		if _, err := store.Read(); !errors.Is(err, guard.ErrBadRecord) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRecordThatCannotBeWritten(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	err := guard.Store{Dir: filepath.Join(dir, "file")}.Write(fullRecord(t))
	if err == nil || !strings.Contains(err.Error(), "set paths.state") {
		t.Errorf("%v", err)
	}
}

// TestOpening is the whole table of what a guard begins with.
func TestOpening(t *testing.T) {
	full := fullRecord(t)
	committed, tried := full.Committed.Hash, full.Trial.Hash
	expired := full.Expire()
	if expired.Trial != nil || expired.RolledBack.Hash != tried || expired.RolledBack.At != full.Trial.Deadline {
		t.Errorf("%+v", expired)
	}
	for name, test := range map[string]struct {
		record        guard.Record
		hash, running string
		want          guard.Opening
	}{
		"nothing known":                  {guard.Record{}, "", "", guard.OpenNothing},
		"the first time":                 {guard.Record{}, "x", "", guard.OpenConfigured},
		"as before":                      {expired, committed, "", guard.OpenConfigured},
		"another policy":                 {expired, "x", "", guard.OpenConfigured},
		"what came to nothing":           {expired, tried, "", guard.OpenRolledBack},
		"bad configuration":              {expired, "", "", guard.OpenCommitted},
		"on trial":                       {full, tried, tried, guard.OpenResumed},
		"on trial, and back in the file": {full, committed, tried, guard.OpenResumed},
		"on trial, bad configuration":    {full, "", tried, guard.OpenResumed},
		"expired unseen":                 {full, tried, "", guard.OpenRolledBack},
		"expired unseen, bad":            {full, "", "", guard.OpenCommitted},
		"expired unseen, corrected":      {full, "x", "", guard.OpenConfigured},
		"a trial that nobody recorded":   {expired, "x", "other", guard.OpenConfigured},
		"only that it came to nothing":   {guard.Record{RolledBack: expired.RolledBack}, tried, "", guard.OpenRolledBack},
	} {
		got, record := test.record.Open(test.hash, test.running)
		if got != test.want {
			t.Errorf("%s: %d, want %d", name, got, test.want)
		}
		if (record.Trial != nil) != (test.want == guard.OpenResumed) {
			t.Errorf("%s: the trial of the record: %+v", name, record.Trial)
		}
	}
	if err := expired.Refuses(tried); err == nil || !strings.Contains(err.Error(), "sallyport apply") {
		t.Errorf("%v", err)
	}
	if err := expired.Refuses(committed); err != nil {
		t.Error(err)
	}
}
