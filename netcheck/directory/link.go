package directory

import (
	"errors"
	"net/url"
	"strconv"
	"strings"
)

// Link is where a referral leads (RFC 4516 section 2): another server of LDAPS, and what to search there.
type Link struct {
	Host   string
	Port   uint16
	Base   string // empty: the one that was searched
	Filter Filter // of the zero value: the one that was searched by
}

const portLDAPS = 636

var (
	errNoLink    = errors.New("it is no address of a directory")
	errPlain     = errors.New("it is not an address of ldaps://")
	errScope     = errors.New("it leads to a part of the tree that is no subtree")
	errExtension = errors.New("it demands an extension")
)

// ParseLink reads the address that a directory refers to. The error says why it cannot be followed.
func ParseLink(text string) (Link, error) {
	u, err := url.Parse(text)
	if err != nil || u.User != nil || u.Fragment != "" || u.Hostname() == "" || strings.ContainsAny(text, `\" `) {
		return Link{}, errNoLink
	}
	if !strings.EqualFold(u.Scheme, "ldaps") {
		return Link{}, errPlain
	}
	l := Link{Host: strings.TrimSuffix(u.Hostname(), "."), Port: portLDAPS, Base: strings.TrimPrefix(u.Path, "/")}
	if u.Port() != "" {
		port, err := strconv.ParseUint(u.Port(), 10, 16)
		if err != nil || port == 0 {
			return Link{}, errNoLink
		}
		l.Port = uint16(port)
	}
	fields := strings.SplitN(u.RawQuery, "?", 4) // attributes, scope, filter, extensions
	fields = append(fields, make([]string, 4-len(fields))...)
	switch {
	case fields[1] != "" && fields[1] != "sub":
		return Link{}, errScope
	case strings.Contains(fields[3], "!"):
		return Link{}, errExtension
	case fields[2] != "":
		filter, err := url.PathUnescape(fields[2])
		if err != nil {
			return Link{}, errNoLink
		}
		if l.Filter, err = NewFilter(filter); err != nil {
			return Link{}, err
		}
	}
	return l, nil
}
