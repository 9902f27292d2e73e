// Package report is the room of what is told: one sub-package for each sink or format (syslog, metrics, term, ...).
//
// The package itself holds only what all of them must share: Printable, through which every text that may come from a
// server, a certificate or the DNS goes on its way into a log, a terminal or a page. It knows nothing of checks.
package report
