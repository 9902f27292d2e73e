// Package nagios writes a document as the output of a Nagios plugin: one line with performance data, by the Monitoring
// Plugins Development Guidelines. The exit code that goes with it is check.Status.ExitCode. It must not know how the
// command ends.
package nagios
