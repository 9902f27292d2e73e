// Package netcheck runs the checks of the host's own ways out: DNS, TLS and LDAPS. Each check resolves its target, tries
// every address, splits each attempt into phases, and names the first layer that failed by one stable cause. Classify is
// the one function that turns an error into a cause. It must not know of configuration files, schedules, thresholds or
// sinks.
package netcheck
