package history

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"sallyport/check"
)

// Query says what of the history is wanted.
type Query struct {
	Since time.Time // zero: from the beginning
	Check string    // empty: every check
	Limit int       // the latest so many; 0 or less: none
}

// Reader reads a history that a daemon may be writing.
type Reader struct{ db *sql.DB }

// Open opens the database at path for reading. fs.ErrNotExist where there is none, ErrVersion, ErrDamaged.
func Open(ctx context.Context, path string) (*Reader, error) {
	db, err := openReader(path)
	if err != nil {
		return nil, err
	}
	version, err := versionOf(ctx, db)
	if err == nil {
		err = understood(version)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, reason(err)), db.Close())
	}
	return &Reader{db: db}, nil
}

// Close ends the reading.
func (r *Reader) Close() error { return r.db.Close() }

// Transitions are those that the query asks for, the oldest first.
func (r *Reader) Transitions(ctx context.Context, q Query) ([]check.Transition, error) {
	rows, err := r.db.QueryContext(ctx, `SELECT since, name, was, is_now, result FROM (
			SELECT * FROM transition WHERE at >= ?1 AND (?2 = '' OR name = ?2) ORDER BY at DESC, id DESC LIMIT ?3)
		ORDER BY at, id`, micro(q.Since), q.Check, q.Limit)
	if err != nil {
		return nil, reason(err)
	}
	defer func() { _ = rows.Close() }() // its error is that of rows.Err
	var list []check.Transition
	for rows.Next() {
		t, err := transition(rows)
		if err != nil {
			return nil, err
		}
		list = append(list, t)
	}
	return list, reason(rows.Err())
}

func transition(rows *sql.Rows) (check.Transition, error) {
	var (
		t       check.Transition
		since   int64
		was, is string
		result  []byte
	)
	if err := rows.Scan(&since, &t.Check, &was, &is, &result); err != nil {
		return t, reason(err)
	}
	t.Since = time.UnixMicro(since).UTC()
	if err := errors.Join(t.From.UnmarshalText([]byte(was)), t.To.UnmarshalText([]byte(is)),
		json.Unmarshal(result, &t.Result)); err != nil {
		return t, fmt.Errorf("%w: a transition of %.100q: %w", ErrDamaged, t.Check, err)
	}
	return t, nil
}

// Knocks are those who knocked since then, who came last first.
func (r *Reader) Knocks(ctx context.Context, q Query) ([]Knock, error) {
	rows, err := r.db.QueryContext(ctx, `SELECT source, protocol, port, first, last, packets FROM knock
		WHERE last >= ? ORDER BY last DESC, source, protocol, port LIMIT ?`, micro(q.Since), q.Limit)
	if err != nil {
		return nil, reason(err)
	}
	defer func() { _ = rows.Close() }() // its error is that of rows.Err
	var list []Knock
	for rows.Next() {
		var (
			k           Knock
			source      string
			first, last int64
		)
		if err := rows.Scan(&source, &k.Protocol, &k.Port, &first, &last, &k.Packets); err != nil {
			return nil, reason(err)
		}
		if k.From, err = netip.ParseAddr(source); err != nil {
			return nil, fmt.Errorf("%w: a source: %w", ErrDamaged, err)
		}
		k.First, k.Last = time.UnixMicro(first).UTC(), time.UnixMicro(last).UTC()
		list = append(list, k)
	}
	return list, reason(rows.Err())
}

func micro(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}
