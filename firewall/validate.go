package firewall

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strings"
)

// maxNameLen keeps the longest name that is made of an exception's ("in_" and "_4" around it) far below the kernel's
// NFT_NAME_MAXLEN of 256 bytes, and readable.
const maxNameLen = 63

// maxInterfaceLen is IFNAMSIZ less the final NUL (linux/if.h).
const maxInterfaceLen = 15

// Validate tells everything that is wrong with the policy, joined, each error naming its exception.
func (p Policy) Validate() error {
	var errs []error
	if len(p.Management) == 0 && !p.NoManagement {
		errs = append(errs, errors.New(
			"no management exception: nobody could get in; name one, or say that none is meant (--no-management)"))
	}
	if p.Forward > ForwardContainers {
		errs = append(errs, fmt.Errorf("%s: want drop, accept or containers", p.Forward))
	}
	seen := make(map[string]bool)
	for _, list := range []struct {
		kind       string
		exceptions []Exception
	}{{"management", p.Management}, {"allow", p.Allow}} {
		for i, e := range list.exceptions {
			place := fmt.Sprintf("%s %q", list.kind, e.Name)
			if e.Name == "" {
				place = fmt.Sprintf("%s[%d]", list.kind, i)
			}
			for _, err := range e.problems(seen) {
				errs = append(errs, fmt.Errorf("%s: %w", place, err))
			}
			seen[e.Name] = true
		}
	}
	return errors.Join(append(errs, p.Egress.problems()...)...)
}

func (e Exception) problems(seen map[string]bool) []error {
	var errs []error
	if err := checkName(e.Name, "exception", seen); err != nil {
		errs = append(errs, err)
	}
	errs = append(errs, checkPorts(e.Ports)...)
	errs = append(errs, checkSources(e)...)
	for _, name := range e.Interfaces {
		if err := checkInterface(name); err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

// checkName holds names to what nft takes as an identifier without quotes, so that a name is the same in the policy, in
// the kernel and in every text, and two names never become one.
func checkName(name, kind string, seen map[string]bool) error {
	switch {
	case name == "":
		return errors.New("no name: give it one, its counter and sets are named after it")
	case len(name) > maxNameLen:
		return fmt.Errorf("a name of %d bytes: at most %d", len(name), maxNameLen)
	case !regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`).MatchString(name):
		return errors.New("a bad name: letters, digits, dots, dashes and underscores, beginning with a letter or digit")
	case seen[name]:
		return fmt.Errorf("the name is taken by another %s: every name stands once", kind)
	}
	return nil
}

func checkPorts(ports []Ports) []error {
	if len(ports) == 0 {
		return []error{errors.New("no ports: name at least one, as in 22/tcp")}
	}
	var errs []error
	for _, p := range ports {
		switch {
		case p.Protocol != TCP && p.Protocol != UDP:
			errs = append(errs, fmt.Errorf("ports %d-%d of protocol %d: want tcp or udp", p.First, p.Last, p.Protocol))
		case p.First == 0:
			errs = append(errs, fmt.Errorf("ports %d-%d: the first port is 1", p.First, p.Last))
		case p.First > p.Last:
			errs = append(errs, fmt.Errorf("ports %d-%d: the range is upside down, want %d-%d",
				p.First, p.Last, p.Last, p.First))
		}
	}
	return errs
}

func checkSources(e Exception) []error {
	switch {
	case e.Any && len(e.From) > 0:
		return []error{errors.New("from anywhere and from addresses at once: name one or the other")}
	case !e.Any && len(e.From) == 0:
		return []error{errors.New("no sources: name the addresses it is open to, or any")}
	}
	var errs []error
	for _, p := range e.From {
		if err := checkPrefix(p); err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

// checkPrefix refuses sources that no packet can come from, or that hide what they mean. A zone cannot be here: a
// netip.Prefix has none.
func checkPrefix(p netip.Prefix) error {
	addr := p.Masked().Addr()
	switch {
	case !p.IsValid():
		return errors.New("source is not a prefix: want an address and its length, as in 10.20.0.0/24")
	case addr.Is4In6():
		return fmt.Errorf("source %s: an IPv4 address in IPv6 form never arrives as such; write it as IPv4", p)
	case p.Bits() == 0:
		return fmt.Errorf("source %s: everywhere must be written out as any", p)
	case addr.IsLoopback():
		return fmt.Errorf("source %s: loopback is always open, and never comes from outside; leave it out", p)
	case addr.IsMulticast():
		return fmt.Errorf("source %s: a multicast address is never a source; leave it out", p)
	case p.IsSingleIP() && addr.IsUnspecified():
		return fmt.Errorf("source %s: the unspecified address is never a source; leave it out", p)
	}
	return nil
}

func checkInterface(name string) error {
	stem := strings.TrimSuffix(name, "*")
	switch {
	case name == "":
		return errors.New("an interface without a name")
	case stem == "":
		return errors.New(`interface "*": every interface is what naming none means; leave interfaces out`)
	case len(name) > maxInterfaceLen:
		return fmt.Errorf("interface %q: %d bytes, at most %d", name, len(name), maxInterfaceLen)
	case strings.Contains(stem, "*"):
		return fmt.Errorf("interface %q: a * stands only at the end", name)
	case stem == "." || stem == "..":
		return fmt.Errorf("interface %q: not a name of an interface", name)
	}
	// dev_valid_name refuses slashes, colons and white space; quotes and backslashes would not survive nft's text.
	for _, c := range []byte(stem) {
		if c <= ' ' || c > '~' || strings.IndexByte(`/:"\`, c) >= 0 {
			return fmt.Errorf("interface %q: %q cannot stand in the name of an interface", name, rune(c))
		}
	}
	return nil
}
