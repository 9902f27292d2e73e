package netcheck

import (
	"errors"
	"syscall"

	"sallyport/netcheck/plain"
	"sallyport/netcheck/resolver"
)

// cleanText is untrusted text for a person, cut to limit characters.
func cleanText(s string, limit int) string { return plain.Text(s, limit) }

// rootReason is the system call's own word, without the addresses that stand around it.
func rootReason(err error) string {
	if number, ok := errors.AsType[syscall.Errno](err); ok {
		return number.Error()
	}
	return cleanText(err.Error(), resolver.MaxText)
}
