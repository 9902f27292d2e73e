package history

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// schemaVersion is that of PRAGMA user_version. A file of another one is not read: its meaning is not known.
const schemaVersion = 1

// ErrVersion says that the file was written by a version of Sallyport that this one does not understand.
var ErrVersion = errors.New("written by another version of Sallyport")

// schema is what version 1 holds. Times are in microseconds since 1970, UTC. A knock has one row for each source, protocol
// and port; raw is what the kernel had counted when it was last told, so that the next telling adds only what is new.
const schema = `
CREATE TABLE IF NOT EXISTS transition (
	id      INTEGER PRIMARY KEY,
	at      INTEGER NOT NULL,
	since   INTEGER NOT NULL,
	name    TEXT NOT NULL,
	kind    TEXT NOT NULL,
	target  TEXT NOT NULL,
	was     TEXT NOT NULL,
	is_now  TEXT NOT NULL,
	cause   TEXT NOT NULL,
	result  TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS transition_at ON transition (at);
CREATE TABLE IF NOT EXISTS knock (
	source   TEXT NOT NULL,
	protocol INTEGER NOT NULL,
	port     INTEGER NOT NULL,
	first    INTEGER NOT NULL,
	last     INTEGER NOT NULL,
	packets  INTEGER NOT NULL,
	raw      INTEGER NOT NULL,
	PRIMARY KEY (source, protocol, port)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS knock_last ON knock (last);
`

// prepare makes the tables of a new file, and refuses one of another version.
func prepare(ctx context.Context, db *sql.DB) error {
	version, err := versionOf(ctx, db)
	switch {
	case err != nil:
		return err
	case version == 0:
		if _, err := db.ExecContext(ctx, schema); err != nil {
			return err
		}
		_, err := db.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", schemaVersion))
		return err
	default:
		return understood(version)
	}
}

func versionOf(ctx context.Context, db *sql.DB) (version int, err error) {
	err = db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version)
	return version, err
}

// understood is ErrVersion for any other than ours.
func understood(version int) error {
	if version != schemaVersion {
		return fmt.Errorf("%w: its schema is %d, this one has %d", ErrVersion, version, schemaVersion)
	}
	return nil
}
