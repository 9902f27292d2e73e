package history

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"sallyport/check"
)

func fresh(t *testing.T, keep time.Duration) *Sink {
	t.Helper()
	s, err := New(t.Context(), filepath.Join(t.TempDir(), "history.db"), Options{Keep: keep})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// finish has the sink write everything, as it does at the end of a daemon.
func finish(t *testing.T, s *Sink) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Run(ctx); err != nil {
		t.Fatal(err)
	}
}

func reader(t *testing.T, path string) *Reader {
	t.Helper()
	r, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

func moment(second int) time.Time {
	return time.Now().UTC().Truncate(time.Second).Add(time.Duration(second) * time.Second)
}

func change(name string, at time.Time, detail string) check.Transition {
	return check.Transition{
		Check: name, From: check.OK, To: check.Fail, Since: at.Add(-time.Hour),
		Result: check.Result{
			Check: name, Kind: check.KindTLS, Target: "192.0.2.1:443", Status: check.Fail, Cause: check.CertExpired,
			Layer: check.LayerCertificate, Detail: detail, Remedy: "renew it", Time: at, Duration: 12 * time.Millisecond,
		},
	}
}

func TestTransitionsAreReadBack(t *testing.T) {
	s := fresh(t, 0)
	told := []check.Transition{
		change("a", moment(-30), "first"), change("b", moment(-20), "'; DROP TABLE transition; --"),
		change("a", moment(-10), "line\nbreak \u202e"),
	}
	for _, c := range told {
		s.Transition(c)
	}
	finish(t, s)
	r := reader(t, s.path)
	for _, c := range []struct {
		name string
		q    Query
		want []check.Transition
	}{
		{"all", Query{Limit: 10}, told},
		{"the latest", Query{Limit: 2}, told[1:]},
		{"one check", Query{Check: "a", Limit: 10}, []check.Transition{told[0], told[2]}},
		{"since", Query{Since: moment(-25), Limit: 10}, told[1:]},
		{"none", Query{Check: "c", Limit: 10}, nil},
	} {
		got, err := r.Transitions(t.Context(), c.q)
		if diff := cmp.Diff(c.want, got, cmpopts.EquateApproxTime(time.Second)); err != nil || diff != "" {
			t.Errorf("%s: %v, -want +got:\n%s", c.name, err, diff)
		}
	}
}

// TestKnocksAddUp tells the kernel's counts again and again: what it has counted before does not count twice, and a
// source that it forgot begins anew.
func TestKnocksAddUp(t *testing.T) {
	s := fresh(t, 0)
	from := netip.MustParseAddr("2001:db8::7")
	first := moment(-100)
	last := first
	for i, raw := range []uint64{3, 3, 10, 2} {
		at := first.Add(time.Duration(i) * 10 * time.Second)
		s.Knocks([]Knock{{From: from, Protocol: 6, Port: 22, Packets: raw, Last: at}})
		if err := s.writeKnocks(t.Context()); err != nil {
			t.Fatal(err)
		}
		last = at
	}
	finish(t, s)
	got, err := reader(t, s.path).Knocks(t.Context(), Query{Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	want := []Knock{{From: from, Protocol: 6, Port: 22, Packets: 12, First: first, Last: last}}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestKnocksStayWhenTheCountDoes(t *testing.T) {
	s := fresh(t, 0)
	k := Knock{From: netip.MustParseAddr("192.0.2.9"), Protocol: 17, Port: 53, Packets: 5, Last: moment(-60)}
	for _, at := range []time.Time{k.Last, moment(-10)} {
		again := k
		again.Last = at
		s.Knocks([]Knock{again})
		if err := s.writeKnocks(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	finish(t, s)
	got, err := reader(t, s.path).Knocks(t.Context(), Query{Limit: 1})
	if err != nil || len(got) != 1 || !got[0].Last.Equal(k.Last) || got[0].Packets != 5 {
		t.Errorf("%+v, %v: want 5 packets, last at %v", got, err, k.Last)
	}
}

func TestOldGoes(t *testing.T) {
	s := fresh(t, time.Hour)
	s.Transition(change("old", moment(-7200), "long ago"))
	s.Transition(change("new", moment(-60), "now"))
	s.Knocks([]Knock{{From: netip.MustParseAddr("192.0.2.1"), Protocol: 6, Port: 1, Packets: 1, Last: moment(-7200)}})
	s.take()
	if err := errors.Join(s.write(t.Context()), s.writeKnocks(t.Context()), s.prune(t.Context())); err != nil {
		t.Fatal(err)
	}
	finish(t, s)
	r := reader(t, s.path)
	transitions, err := r.Transitions(t.Context(), Query{Limit: 10})
	if err != nil || len(transitions) != 1 || transitions[0].Check != "new" {
		t.Errorf("%v, %v: want the new one alone", transitions, err)
	}
	if knocks, err := r.Knocks(t.Context(), Query{Limit: 10}); err != nil || len(knocks) != 0 {
		t.Errorf("%v, %v: want none", knocks, err)
	}
}

func TestDamagedIsSetAside(t *testing.T) {
	s := fresh(t, 0)
	for range 200 {
		s.Transition(change("a", moment(0), strings.Repeat("x", 500)))
	}
	finish(t, s)
	for name, damage := range map[string]func([]byte){
		"no database": func(b []byte) { copy(b, "this is not a database at all") },
		"a torn page": func(b []byte) { copy(b[8192:], bytes.Repeat([]byte{0xff}, 3*4096)) },
	} {
		t.Run(name, func(t *testing.T) {
			content, err := os.ReadFile(s.path)
			if err != nil {
				t.Fatal(err)
			}
			damage(content)
			path := filepath.Join(t.TempDir(), "history.db")
			if err := os.WriteFile(path, content, fileMode); err != nil {
				t.Fatal(err)
			}
			anew, err := New(t.Context(), path, Options{})
			if err != nil {
				t.Fatal(err)
			}
			anew.Transition(change("b", moment(0), "after"))
			finish(t, anew)
			kept, err := filepath.Glob(path + ".damaged-*")
			if err != nil || len(kept) != 1 {
				t.Fatalf("set aside: %v, %v", kept, err)
			}
			if aside, err := os.ReadFile(kept[0]); err != nil || !bytes.Equal(aside, content) {
				t.Errorf("what was set aside is not what there was: %v", err)
			}
			got, err := reader(t, path).Transitions(t.Context(), Query{Limit: 10})
			if err != nil || len(got) != 1 {
				t.Errorf("%v, %v: want the one after", got, err)
			}
		})
	}
}

func TestAnotherVersionIsRefused(t *testing.T) {
	s := fresh(t, 0)
	if _, err := s.db.ExecContext(t.Context(), "PRAGMA user_version = 99"); err != nil {
		t.Fatal(err)
	}
	finish(t, s)
	if _, err := New(t.Context(), s.path, Options{}); !errors.Is(err, ErrVersion) {
		t.Errorf("writer: %v", err)
	}
	if _, err := Open(t.Context(), s.path); !errors.Is(err, ErrVersion) {
		t.Errorf("reader: %v", err)
	}
}

func TestReaderErrors(t *testing.T) {
	if _, err := Open(t.Context(), filepath.Join(t.TempDir(), "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	path := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(path, []byte(strings.Repeat("no database ", 100)), fileMode); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), path); !errors.Is(err, ErrDamaged) {
		t.Errorf("no database: %v", err)
	}
}

// TestNoRoom fills the database up to its bound: nothing panics, the trouble is told, what waits is bounded, and once
// there is room again everything that waited is written.
func TestNoRoom(t *testing.T) {
	s := fresh(t, 0)
	limit := func(pages string) {
		if _, err := s.db.ExecContext(t.Context(), "PRAGMA max_page_count = "+pages); err != nil {
			t.Fatal(err)
		}
	}
	limit("12")
	for range queueSize + 10 {
		s.Transition(change("a", moment(0), strings.Repeat("x", 1000)))
	}
	var err error
	for range 10 {
		s.take()
		if err = s.write(t.Context()); err != nil {
			s.note(err)
			break
		}
	}
	since, dropped, down := s.Down()
	if err == nil || down == nil || since.IsZero() || dropped != 10 {
		t.Fatalf("write %v; down since %v, %d dropped, %v", err, since, dropped, down)
	}
	limit("65536")
	for len(s.queue) > 0 || len(s.pending) > 0 {
		err := s.write(t.Context())
		if s.note(err); err != nil {
			t.Fatal(err)
		}
		s.take()
	}
	if since, _, err := s.Down(); !since.IsZero() || err != nil {
		t.Errorf("still down: %v, %v", since, err)
	}
	finish(t, s)
	got, err := reader(t, s.path).Transitions(t.Context(), Query{Limit: 2 * queueSize})
	if err != nil || len(got) != queueSize {
		t.Errorf("%d, %v: want %d", len(got), err, queueSize)
	}
}

// TestReadWhileWritten reads from another connection, as the command does beside the daemon.
func TestReadWhileWritten(t *testing.T) {
	s := fresh(t, 0)
	r := reader(t, s.path)
	for i := range 5 {
		s.Transition(change("a", moment(0), "x"))
		s.take()
		if err := s.write(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got, err := r.Transitions(t.Context(), Query{Limit: 10}); err != nil || len(got) != i+1 {
			t.Fatalf("%d, %v: want %d", len(got), err, i+1)
		}
	}
	finish(t, s)
}

func TestFileIsPrivate(t *testing.T) {
	s := fresh(t, 0)
	s.Transition(change("a", moment(0), "x"))
	finish(t, s)
	info, err := os.Stat(s.path)
	if err != nil || info.Mode().Perm() != fileMode {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestLongEvidenceIsLeftOut(t *testing.T) {
	s := fresh(t, 0)
	c := change("a", moment(0), "detail")
	c.Result.Evidence = strings.Repeat("e", maxResult)
	s.Transition(c)
	finish(t, s)
	got, err := reader(t, s.path).Transitions(t.Context(), Query{Limit: 1})
	if err != nil || len(got) != 1 || got[0].Result.Evidence != nil || got[0].Result.Detail != "detail" {
		t.Errorf("%v, %v", got, err)
	}
}
