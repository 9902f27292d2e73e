package firewall

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"regexp"
	"strings"
)

// problems tells everything that is wrong with the destinations, also where egress is open: they are there to be used.
func (e Egress) problems() []error {
	var errs []error
	if e.Mode > EgressEnforce {
		errs = append(errs, fmt.Errorf("%s: want open, observe or enforce", e.Mode))
	}
	seen := make(map[string]bool)
	for i, d := range e.To {
		place := fmt.Sprintf("egress %q", d.Name)
		if d.Name == "" {
			place = fmt.Sprintf("egress[%d]", i)
		}
		for _, err := range d.problems(seen) {
			errs = append(errs, fmt.Errorf("%s: %w", place, err))
		}
		seen[d.Name] = true
	}
	return errs
}

func (d Destination) problems(seen map[string]bool) []error {
	var errs []error
	if err := checkName(d.Name, "destination", seen); err != nil {
		errs = append(errs, err)
	}
	errs = append(errs, checkPorts(d.Ports)...)
	switch targets := len(d.To) + len(d.Names); {
	case d.Any && targets > 0:
		errs = append(errs, errors.New("anywhere, and addresses or names at once: name one or the other"))
	case !d.Any && targets == 0:
		errs = append(errs, errors.New("leads nowhere: name addresses, names, or any"))
	}
	for _, p := range d.To {
		if err := checkDestination(p); err != nil {
			errs = append(errs, err)
		}
	}
	for _, name := range d.Names {
		if err := checkHost(name); err != nil {
			errs = append(errs, err)
		}
	}
	for _, uid := range d.Users {
		if uid == math.MaxUint32 { // (uid_t)-1 is nobody at all (setreuid(2))
			errs = append(errs, fmt.Errorf("user %d: not a user", uid))
		}
	}
	return errs
}

// checkDestination refuses addresses that no packet can go to, or that hide what they mean. Multicast is fine: the host
// may speak to a group.
func checkDestination(p netip.Prefix) error {
	addr := p.Masked().Addr()
	switch {
	case !p.IsValid():
		return errors.New("destination is not a prefix: want an address and its length, as in 10.20.0.0/24")
	case addr.Is4In6():
		return fmt.Errorf("destination %s: an IPv4 address in IPv6 form never leaves as such; write it as IPv4", p)
	case p.Bits() == 0:
		return fmt.Errorf("destination %s: everywhere must be written out as any", p)
	case addr.IsLoopback():
		return fmt.Errorf("destination %s: loopback is always open; leave it out", p)
	case p.IsSingleIP() && addr.IsUnspecified():
		return fmt.Errorf("destination %s: the unspecified address is never a destination; leave it out", p)
	}
	return nil
}

// maxHostLen is the longest name in text form (RFC 1035 section 2.3.4: 255 octets, less the first length and the root).
const maxHostLen = 253

// checkHost holds names to what can stand in a question for an address: letters, digits, dashes (RFC 1123 section 2.1)
// and the underscores that are met in practice, in labels of at most 63.
func checkHost(name string) error {
	plain := canonicalName(name)
	label := regexp.MustCompile(`^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$`)
	if _, err := netip.ParseAddr(plain); err == nil {
		return fmt.Errorf("name %q: an address is no name; name it with the addresses", name)
	}
	if len(plain) > maxHostLen {
		return fmt.Errorf("name %q: %d bytes, at most %d", plain[:maxHostLen]+"...", len(plain), maxHostLen)
	}
	for part := range strings.SplitSeq(plain, ".") {
		if !label.MatchString(part) {
			return fmt.Errorf("name %q: not a name of a host", name)
		}
	}
	if plain == "localhost" || strings.HasSuffix(plain, ".localhost") { // RFC 6761 section 6.3
		return fmt.Errorf("name %q: loopback is always open; leave it out", name)
	}
	return nil
}
