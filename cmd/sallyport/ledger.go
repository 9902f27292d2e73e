package main

import (
	"errors"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"sallyport/config"
	"sallyport/firewall/guard"
)

// ledger is the record of what is in force, in memory and in its file.
type ledger struct {
	store guard.Store

	mu     sync.Mutex
	record guard.Record
}

// newLedger is the ledger of a state folder, before it is read.
func newLedger(state string) *ledger { return &ledger{store: guard.Store{Dir: state}} }

// read takes what the file says. One that is no good was set aside: the record is an empty one then.
func (l *ledger) read() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var err error
	l.record, err = l.store.Read()
	return err
}

// readOr is read for who goes on whatever the file is.
func (l *ledger) readOr(log *slog.Logger) {
	if err := l.read(); err != nil {
		log.Error("what was in force is not known", "err", err)
	}
}

// now is the record. What it points to is never changed.
func (l *ledger) now() guard.Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.record
}

// change changes the record, and the file. Where the file cannot be written, what is in memory is right all the same.
func (l *ledger) change(how func(*guard.Record)) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	how(&l.record)
	return l.store.Write(l.record)
}

// writable tries whether the file can be written, by what it holds already.
func (l *ledger) writable() error { return l.change(func(*guard.Record) {}) }

// commits records that a candidate was put in force.
func (l *ledger) commits(c candidate) error {
	return l.change(func(r *guard.Record) {
		r.Committed, r.Trial, r.RolledBack = new(c.recorded()), nil, nil
		r.Runtime, r.Ownership = c.conf.Paths.Runtime, c.ownership()
	})
}

// tries records that a candidate is put on trial.
func (l *ledger) tries(c candidate, within time.Duration, open bool) error {
	return l.change(func(r *guard.Record) {
		tried := guard.Tried{Recorded: c.recorded(), Within: within, Open: open, Ownership: c.ownership()}
		tried.Deadline = tried.Since.Add(within)
		r.Trial = &tried
		r.Runtime = c.conf.Paths.Runtime
	})
}

// confirms records that the trial was confirmed.
func (l *ledger) confirms() error {
	return l.change(func(r *guard.Record) {
		if r.Trial == nil {
			return
		}
		confirmed := r.Trial.Recorded
		confirmed.Since = time.Now().UTC().Round(time.Second)
		r.Ownership = r.Trial.Ownership
		r.Committed, r.Trial, r.RolledBack = &confirmed, nil, nil
	})
}

// rollsBack records that a trial came to nothing. Where another one has begun since, the record is of that.
func (l *ledger) rollsBack(what guard.RolledBack) error {
	return l.change(func(r *guard.Record) {
		if r.Trial == nil || r.Trial.Hash == what.Hash {
			r.Trial, r.RolledBack = nil, &what
		}
	})
}

func (c candidate) recorded() guard.Recorded {
	return guard.Recorded{
		Policy: c.policy, Hash: c.ruleset.PolicyHash(), Digest: c.conf.Digest, Since: time.Now().UTC().Round(time.Second),
	}
}

// places are the folders of an instance.
type places struct{ state, runtime string }

// placesOf are those of the configuration; where that is no good, the state folder is what --state says, and the other one
// is that of the last good configuration, which the record there names.
func (o *options) placesOf(conf *config.Config) places {
	if conf != nil {
		return placesIn(conf)
	}
	p := places{state: o.state, runtime: defaultRuntime}
	if record, err := (guard.Store{Dir: o.state}).Peek(); err == nil && filepath.IsAbs(record.Runtime) {
		p.runtime = record.Runtime
	}
	return p
}

// places are the folders, for a command that works with a bad configuration too.
func (o *options) places() places {
	conf, err := o.loadPolicy()
	if err != nil {
		conf = nil
	}
	return o.placesOf(conf)
}

// errUnrecorded says that something was done, and that a later start will not know of it.
var errUnrecorded = errors.New("it is done, and could not be recorded: a later start would not know of it")
