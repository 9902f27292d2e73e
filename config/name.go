package config

import (
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// names is the form of a name: it becomes a metric label, a file of a report and the name of nftables objects, which
// begin with a letter.
func names() form[string] {
	f := parsed(`^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$`, func(s string) (string, string, string) {
		good := tidyName(s)
		if s == good && s != "" {
			return s, "", ""
		}
		mend := "write lower-case letters, digits and hyphens, up to 63, beginning with a letter"
		if good != "" {
			mend += ", as in " + good
		}
		return "", quote(s) + " cannot be a name", mend
	})
	f.schema.MaxLength = nil
	f.schema.MinLength = nil
	return f
}

// tidyName is the name that is nearest to s; s itself when it is one.
func tidyName(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r >= 'A' && r <= 'Z':
			return r - 'A' + 'a'
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		default:
			return '-'
		}
	}, s)
	s = strings.TrimLeft(s, "-0123456789")
	return strings.TrimRight(s[:min(len(s), maxLabel)], "-")
}

// reserved are the names of the checks that Sallyport makes itself.
func reserved() []string {
	return []string{"configuration", "firewall", "posture", "sallyport", "sinks"}
}

// checkNames is the form of a check's name.
func checkNames() form[string] {
	return names().then(func(r *reader, at ast.Node, name string) bool {
		taken := slices.Contains(reserved(), name)
		if taken {
			r.wrong(at, "choose another", "the name %s is taken by a check of Sallyport's own", quote(name))
		}
		return !taken
	})
}

// interfaces is the form of an interface's name as the kernel takes it; a trailing * stands for any ending.
func interfaces() form[string] {
	const longest = 15 // IFNAMSIZ is 16 with its NUL
	return parsed(`^[0-9A-Za-z._@-]{1,15}\*?$`, func(s string) (string, string, string) {
		name := strings.TrimSuffix(s, "*")
		strange := strings.ContainsFunc(name, func(r rune) bool { return notInLabel(r) && r != '.' && r != '@' })
		switch {
		case name == "" && s == "*":
			return "", "* is every interface", "remove interfaces: without it, an exception holds on all of them"
		case len(name) > longest:
			return "", quote(s) + " is longer than 15 characters", "write the name as ip link shows it"
		case strange, name == "", name == ".", name == "..":
			return "", quote(s) + " cannot be an interface", "write the name as ip link shows it, or a prefix of it and *"
		}
		return s, "", ""
	})
}
