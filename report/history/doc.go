// Package history keeps what happened: every transition of every check, and who knocked. It is a sink that writes to one
// SQLite database, and what reads it back. A file that is damaged is set aside, not written on; a disk that is full is
// told, and what waits for room is bounded. It must not know what any check means.
package history
