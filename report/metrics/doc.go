// Package metrics tells Prometheus: over HTTP, in a file for node_exporter's textfile collector, or once on a stream.
//
// Names are blackbox_exporter's (probe_...) where the meaning is the same, so that its dashboards and rules keep
// working, and sallyport_... for the rest. What stands in a label comes from the configuration (the name of a check,
// its kind and target) or from a fixed vocabulary (status, cause, phase); words of a server never do. There is one set of
// series for each check, whatever it sees: when the cause changes, the series of the former cause ends.
//
// Series are made anew for each scrape from what is known at that moment. So nothing is left behind when a check is
// removed, and one scrape never mixes two results.
package metrics
