// Package memory keeps what checks must know across the end of every process, in small files below paths.state: one for
// each subject, for its owner alone, replaced whole or not at all. A file that cannot be read is set aside, and told. It
// knows nothing of what it keeps.
package memory
