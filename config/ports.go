package config

import (
	"fmt"
	"strconv"
	"strings"
)

// ports is the form of a port or a range of ports of one protocol: 22/tcp, 8000-8010/udp.
func ports() form[Ports] {
	return parsed(`^[0-9]{1,5}(-[0-9]{1,5})?/(tcp|udp)$`, parsePorts)
}

func parsePorts(s string) (p Ports, message, mend string) {
	const form = "write a port with its protocol, as in 22/tcp, or a range, as in 8000-8010/udp"
	span, protocol, slash := strings.Cut(s, "/")
	first, last, isRange := strings.Cut(span, "-")
	if !isRange {
		last = first
	}
	switch {
	case !slash && digits(first) && digits(last):
		return p, quote(s) + " names no protocol", fmt.Sprintf("write %s/tcp or %s/udp", s, s)
	case !slash || !digits(first) || !digits(last):
		return p, quote(s) + " is not a port", form
	case protocol != "tcp" && protocol != "udp":
		return p, quote(protocol) + " is not a protocol with ports", "write " + span + "/tcp or " + span + "/udp"
	}
	low, okLow := parsePort(first)
	high, okHigh := parsePort(last)
	switch {
	case !okLow || !okHigh:
		return p, quote(span) + " is not a port", "ports are from 1 to 65535"
	case low > high:
		return p, "the range " + quote(span) + " is the wrong way round", fmt.Sprintf("write %d-%d/%s", high, low, protocol)
	}
	return Ports{Protocol: protocol, First: low, Last: high}, "", ""
}

func digits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// parsePort is a port from 1 to 65535 in decimal.
func parsePort(s string) (uint16, bool) {
	n, err := strconv.ParseUint(s, 10, 16)
	return uint16(n), err == nil && n > 0 && digits(s)
}
