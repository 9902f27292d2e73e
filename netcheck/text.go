package netcheck

import "sallyport/netcheck/plain"

// cleanText is untrusted text for a person, cut to limit characters.
func cleanText(s string, limit int) string { return plain.Text(s, limit) }
