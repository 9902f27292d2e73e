package main

import (
	"math"
	"strings"

	"sallyport/report"
)

// longestLine bounds a line of a message, in bytes: what somebody gave as an argument may be of any length.
const longestLine = 2000

// message is an error as it is shown to a person: whatever is in it, it does not steer their terminal. Of a line that is
// too long the middle goes, for the end says what is wrong.
func message(err error) string {
	lines := strings.Split(err.Error(), "\n")
	for i, line := range lines {
		if len(line) > longestLine {
			line = line[:longestLine/2] + " … " + line[len(line)-longestLine/2:]
		}
		lines[i] = report.Printable(line, math.MaxInt)
	}
	return strings.Join(lines, "\n")
}
