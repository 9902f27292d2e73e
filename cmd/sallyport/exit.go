package main

import (
	"strconv"

	"sallyport/check"
)

// The exit codes, the same for every command; they are Nagios's.
const (
	codeFailing = 2
	codeUnknown = 3
)

// verdictError ends a command with an exit code after everything has been said already.
type verdictError int

func (v verdictError) Error() string { return "exit code " + strconv.Itoa(int(v)) }

// verdict turns the status of a whole into the error that ends the command with its exit code, nil for 0.
func verdict(status check.Status) error {
	if code := status.ExitCode(); code != 0 {
		return verdictError(code)
	}
	return nil
}
