// Package dnssec validates DNS answers by itself: from the answer's signatures up to the root's keys or to an anchor that
// the operator gives (RFC 4033, 4034, 4035, 5155, 6840, 9276). It asks nobody by its own: every question goes through a
// function of the caller's, to the resolver that is under test, so that the verdict is about what this resolver hands out.
//
// The walk asks; every judgement about records is a function of the records, the keys and the time alone. Nothing that is
// wrong, missing, too much or not understood can end as Secure: Secure is said only at the end of a whole proof.
//
// A zone's own data can make a validator work for hours (CVE-2023-50387, CVE-2023-50868), so the signatures, the hashes
// and the questions of a run are counted, and a run that would need more ends as Indeterminate.
//
// It must not know of checks, causes, configuration and transports.
package dnssec
