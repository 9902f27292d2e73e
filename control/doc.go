// Package control is the unix socket between the commands, the guard and the prober: which messages there are, how they
// are framed, and who may send them. A connection carries one request and its answer, or one request and a stream of
// reports. It must not know what a ruleset or a check does, nor decide anything: handlers do.
package control
