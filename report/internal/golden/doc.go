// Package golden holds what the tests of several formats and sinks share: files to compare an output with, and that an
// output shows no character which is obeyed instead of shown. Only tests import it.
package golden
