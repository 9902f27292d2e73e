package history

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"time"

	"sallyport/check"
)

const (
	// maxResult bounds what one transition keeps of its result, in bytes; evidence beyond is left out.
	maxResult = 64 << 10
	// maxKnocks bounds the rows of who knocked: those who came last stay.
	maxKnocks = 100_000
)

// write commits what is pending.
func (s *Sink) write(ctx context.Context) error {
	if len(s.pending) == 0 {
		return nil
	}
	err := s.commit(ctx, func(ctx context.Context, tx *sql.Tx) error {
		for _, t := range s.pending {
			if err := insert(ctx, tx, t); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		s.pending = s.pending[:0]
	}
	return err
}

func insert(ctx context.Context, tx *sql.Tx, t check.Transition) error {
	result, err := encode(t.Result)
	if err != nil {
		return fmt.Errorf("transition of %s: %w", t.Check, err)
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO transition (at, since, name, kind, target, was, is_now, cause, result)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		t.Result.Time.UnixMicro(), t.Since.UnixMicro(), t.Check, t.Result.Kind, t.Result.Target,
		t.From.String(), t.To.String(), string(t.Result.Cause), string(result))
	return err
}

// encode is the result as JSON, without its evidence where that is too much.
func encode(r check.Result) ([]byte, error) {
	raw, err := json.Marshal(r)
	if err == nil && len(raw) > maxResult {
		r.Evidence = nil
		raw, err = json.Marshal(r)
	}
	return raw, err
}

// writeKnocks commits who knocked since the last time. The kernel's counts begin anew when it has forgotten a source: a
// count below the last one is all new.
func (s *Sink) writeKnocks(ctx context.Context) error {
	s.mu.Lock()
	list := maps.Clone(s.knocks)
	s.mu.Unlock()
	if len(list) == 0 {
		return nil
	}
	err := s.commit(ctx, func(ctx context.Context, tx *sql.Tx) error {
		for d, k := range list {
			if _, err := tx.ExecContext(ctx, `INSERT INTO knock (source, protocol, port, first, last, packets, raw)
				VALUES (?1, ?2, ?3, ?4, ?4, ?5, ?5)
				ON CONFLICT DO UPDATE SET
					packets = packets + iif(?5 >= raw, ?5 - raw, ?5),
					last = iif(?5 = raw, last, ?4),
					raw = ?5`,
				d.from.String(), d.protocol, d.port, k.Last.UnixMicro(), int64(k.Packets)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.knocks, func(d door, k Knock) bool { return list[d] == k })
	return nil
}

// prune deletes what is too old, and the sources that came first where there are too many.
func (s *Sink) prune(ctx context.Context) error {
	return s.commit(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if s.keep > 0 {
			before := time.Now().Add(-s.keep).UnixMicro()
			for _, statement := range []string{"DELETE FROM transition WHERE at < ?", "DELETE FROM knock WHERE last < ?"} {
				if _, err := tx.ExecContext(ctx, statement, before); err != nil {
					return err
				}
			}
		}
		_, err := tx.ExecContext(ctx,
			"DELETE FROM knock WHERE last < (SELECT last FROM knock ORDER BY last DESC LIMIT 1 OFFSET ?)", maxKnocks)
		return err
	})
}

// commit runs one transaction, whole or not at all.
func (s *Sink) commit(ctx context.Context, f func(context.Context, *sql.Tx) error) error {
	ctx, cancel := context.WithTimeout(ctx, writeWithin)
	defer cancel()
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := f(ctx, tx); err != nil {
		if undo := tx.Rollback(); undo != nil && !errors.Is(undo, sql.ErrTxDone) {
			err = errors.Join(err, undo)
		}
		return err
	}
	return tx.Commit()
}
