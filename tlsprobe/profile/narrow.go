package profile

import (
	"cmp"
	"slices"
	"strings"
)

// narrowing fills in a profile's lists, one after the other, for each depends on those before it.
type narrowing struct {
	Settings
	protocol, path []Rule // of jdk.tls.disabledAlgorithms, jdk.certpath.disabledAlgorithms
	profile        *Profile
	enabled        []suite
	signals        bool // TLS_EMPTY_RENEGOTIATION_INFO_SCSV is sent, which Java takes for a suite of TLS 1.0 to 1.2
}

// signal is no suite (RFC 5746 section 3.3), but may stand in a list of them.
const signal = "TLS_EMPTY_RENEGOTIATION_INFO_SCSV"

// denies says whether one of the rules denies one of the names altogether.
func denies(rules []Rule, names ...string) bool {
	return slices.ContainsFunc(rules, func(r Rule) bool { return r.plain() && r.names(names...) })
}

// list reads a property's names: separated by commas, in quotation marks or not.
func list(property string) []string {
	property = strings.Trim(strings.TrimSpace(property[:min(len(property), maxText)]), `"`)
	var names []string
	for name := range strings.SplitSeq(property, ",") {
		if name = strings.TrimSpace(name); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// pick is what of all a property names, in its order; all where it is empty. Names that are not there are noted.
func pick[T comparable](n *narrowing, property string, all []T, called func(T, string) bool) []T {
	names := list(property)
	if len(names) == 0 {
		return all
	}
	var picked []T
	for _, name := range names {
		i := slices.IndexFunc(all, func(one T) bool { return called(one, name) })
		if i < 0 && name == signal {
			continue
		}
		if i < 0 {
			n.profile.Unknown = append(n.profile.Unknown, name)
			continue
		}
		if !slices.Contains(picked, all[i]) {
			picked = append(picked, all[i])
		}
	}
	return picked
}

func (n *narrowing) versions() {
	property := cmp.Or(n.HTTPSProtocols, n.ClientProtocols)
	picked := pick(n, property, javaVersions(), func(v version, name string) bool { return v.name == name })
	for _, v := range javaVersions() { // the newest first, whatever the order of the property
		if slices.Contains(picked, v) && !denies(n.protocol, v.name) {
			n.profile.Versions = append(n.profile.Versions, v.id)
		}
	}
}

func (n *narrowing) suites() {
	known := slices.DeleteFunc(javaSuites(), func(s suite) bool {
		return s.has("CHACHA20") && n.Feature < withChaCha20 || s.has("3DES") && n.Feature >= withoutTDES
	})
	property := cmp.Or(n.HTTPSSuites, n.ClientSuites)
	n.signals = len(list(property)) == 0 || slices.Contains(list(property), signal)
	n.enabled = pick(n, property, known, suite.called)
	n.enabled = slices.DeleteFunc(slices.Clone(n.enabled), func(s suite) bool {
		return denies(n.protocol, s.parts()...) || denies(n.path, s.exchangeParts()...) ||
			slices.ContainsFunc(n.protocol, func(r Rule) bool { return r.plain() && matches(r.Algorithm, s.name) }) ||
			!n.usable(s)
	})
	for _, s := range n.enabled {
		n.profile.Suites = append(n.profile.Suites, s.id)
	}
}

// called says whether a property means the suite: Java calls some by their older name, SSL_ before the rest.
func (s suite) called(name string) bool {
	return s.name == name || "SSL_"+strings.TrimPrefix(s.name, "TLS_") == name
}

// matches says whether a pattern with an asterisk means the name of a suite. Patterns must begin with TLS_ (JDK-8341964).
func matches(pattern, name string) bool {
	if !strings.HasPrefix(pattern, "TLS_") || !strings.Contains(pattern, "*") {
		return false
	}
	parts := strings.Split(pattern, "*")
	rest, ok := strings.CutPrefix(name, parts[0])
	if !ok {
		return false
	}
	for _, part := range parts[1 : len(parts)-1] {
		_, after, found := strings.Cut(rest, part)
		if !found {
			return false
		}
		rest = after
	}
	return strings.HasSuffix(rest, parts[len(parts)-1])
}

// usable says whether a version is offered that the suite is for.
func (n *narrowing) usable(s suite) bool {
	switch {
	case s.modern():
		return n.profile.Offers(tls13)
	case s.recent():
		return n.profile.Offers(tls12)
	default:
		return slices.ContainsFunc(n.profile.Versions, func(v uint16) bool { return v <= tls12 })
	}
}

// matchVersions takes out the versions for which no suite is left.
func (n *narrowing) matchVersions() {
	n.profile.Versions = slices.DeleteFunc(n.profile.Versions, func(v uint16) bool {
		return (v > tls12 || !n.signals) && !slices.ContainsFunc(n.enabled, func(s suite) bool {
			return s.modern() == (v == tls13) && (!s.recent() || v >= tls12)
		})
	})
}

func (n *narrowing) groups() {
	known := slices.DeleteFunc(javaGroups(), func(g group) bool {
		return g.algorithm == "XDH" && n.Feature < withXDH || g.algorithm == "DH" && n.NoFFDHE
	})
	for _, g := range pick(n, n.NamedGroups, known, func(g group, name string) bool { return g.name == name }) {
		if n.permits(g) && n.needed(g) {
			n.profile.Groups = append(n.profile.Groups, g.id)
		}
	}
}

// permits says that no rule denies the group.
func (n *narrowing) permits(g group) bool {
	return !denies(n.protocol, g.names()...) && !denies(n.path, g.names()...) && !n.tooShort(g)
}

// tooShort says whether a rule on the length of keys denies the group.
func (n *narrowing) tooShort(g group) bool {
	return slices.ContainsFunc(slices.Concat(n.protocol, n.path), func(r Rule) bool {
		return len(r.Sizes) == 1 && len(r.Usages) == 0 && !r.JDKCA && r.DenyAfter.IsZero() && g.algorithm != "XDH" &&
			r.names(g.names()...) && r.Sizes[0].Holds(g.bits)
	})
}

// needed says whether a suite is offered that uses groups of this sort (RFC 7919 section 4 for DH).
func (n *narrowing) needed(g group) bool {
	return slices.ContainsFunc(n.enabled, func(s suite) bool {
		if g.algorithm == "DH" {
			return s.modern() || s.has("_DHE_")
		}
		return s.modern() || s.has("_ECDH")
	})
}

func (n *narrowing) schemes() {
	known := slices.DeleteFunc(javaSchemes(), func(s scheme) bool { return s.key == "EdDSA" && n.Feature < withEdwards })
	for _, s := range pick(n, n.SignatureSchemes, known, func(s scheme, name string) bool { return s.name == name }) {
		denied := slices.ContainsFunc(n.protocol, func(r Rule) bool {
			return len(r.Usages) > 0 && r.meant("HandshakeSignature") && r.names(s.names()...)
		})
		curveless := slices.ContainsFunc(javaGroups(), func(g group) bool { return s.curve() == g.name && !n.permits(g) })
		if !denied && !curveless && !denies(n.protocol, s.names()...) && !denies(n.path, s.names()...) {
			n.profile.Signatures = append(n.profile.Signatures, s.id)
		}
	}
}
