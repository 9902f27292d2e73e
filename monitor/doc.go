// Package monitor runs checks on their schedules and keeps what is believed of each. It owns every long-lived goroutine
// of the prober: the loop that wakes when something is due, the bounded runs, and one feeder for each sink.
//
//	[]Check ─► schedule ─► run ─► Result ─► Advance ─► State, Transition ─► sinks
//
// Advance is the whole of the state machine and is pure; the rest of the package is about when a run begins and that it
// ends. Monitor must not know what a check does, what a sink does with what it is told, or where either was configured.
package monitor
