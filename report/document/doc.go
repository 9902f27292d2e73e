// Package document is the one shape, versioned, in which check, verify, posture and status tell what they found: the JSON
// of schema 1, and the value that every other format is made of. It must not know where results come from or how they
// are laid out for a person.
package document
