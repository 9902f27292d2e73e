package history

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

const (
	// maxPages bounds the file: 65,536 pages of 4 KiB are 256 MiB, some 200,000 transitions.
	maxPages = 65536
	// openWithin bounds the opening, the check of the whole file included.
	openWithin = 30 * time.Second
	// busyTimeout is how long a reader or writer waits for the other, in milliseconds.
	busyTimeout = 2000
	// fileMode keeps the history to its owner: it names the host's peers.
	fileMode = 0o600
)

// ErrDamaged says that the file is no database, or one that fails SQLite's own check.
var ErrDamaged = errors.New("the history is damaged")

// openWriter opens the file, makes it where there is none, and checks it. ErrDamaged, ErrVersion, and what the file
// system says.
func openWriter(ctx context.Context, path string) (*sql.DB, error) {
	ctx, cancel := context.WithTimeout(ctx, openWithin)
	defer cancel()
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, fileMode) // SQLite would make it readable by everybody
	if err != nil {
		return nil, err
	}
	if err := file.Close(); err != nil {
		return nil, err
	}
	db, err := open(path, url.Values{"_pragma": {
		"journal_mode(wal)", "synchronous(full)", fmt.Sprintf("max_page_count(%d)", maxPages),
		fmt.Sprintf("busy_timeout(%d)", busyTimeout),
	}})
	if err != nil {
		return nil, err
	}
	err = intact(ctx, db)
	if err == nil {
		err = prepare(ctx, db)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, reason(err)), db.Close())
	}
	return db, nil
}

// openReader opens the file for reading only. fs.ErrNotExist where there is none.
func openReader(path string) (*sql.DB, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, err
	}
	return open(path, url.Values{
		"mode": {"ro"}, "_pragma": {fmt.Sprintf("busy_timeout(%d)", busyTimeout), "query_only(1)"},
	})
}

func open(path string, options url.Values) (*sql.DB, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	name := url.URL{Scheme: "file", Path: absolute, RawQuery: options.Encode()}
	db, err := sql.Open("sqlite", name.String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	return db, nil
}

// intact has SQLite look through the file. It would otherwise go on writing on a damaged one.
func intact(ctx context.Context, db *sql.DB) error {
	var verdict string
	if err := db.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&verdict); err != nil {
		return err
	}
	if verdict != "ok" {
		return fmt.Errorf("%w: %.200q", ErrDamaged, verdict)
	}
	return nil
}

// reason puts our word before what SQLite says of a file that is none, or that is damaged.
func reason(err error) error {
	var failure *sqlite.Error
	if errors.As(err, &failure) {
		switch failure.Code() & 0xff { // the rest of the number is a detail
		case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
			return fmt.Errorf("%w: %w", ErrDamaged, err)
		}
	}
	return err
}

// setAside renames a damaged file, and what SQLite keeps beside it, and says what it is called now.
func setAside(path string, now time.Time) (string, error) {
	aside := path + ".damaged-" + now.UTC().Format("20060102T150405Z")
	for _, suffix := range []string{"-wal", "-shm"} {
		if err := os.Rename(path+suffix, aside+suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	return aside, os.Rename(path, aside)
}
