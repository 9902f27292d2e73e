// Package proof tells whether a host is really shut: who can reach what listens on it, what others' tables do to the
// verdict, and what becomes of real packets. It judges what package kernel reads, and must not know the guard, files or
// schedules.
package proof
