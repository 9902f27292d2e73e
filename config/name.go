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
	return []string{"configuration", "firewall", "posture", "sallyport", "service", "sinks"}
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
	return parsed(`^[0-9A-Za-z._@-]{1,15}\*?$`, func(s string) (string, string, string) {
		if s == "*" {
			return "", "* is every interface", "remove interfaces: without it, an exception holds on all of them"
		}
		message, mend := checkInterface(strings.TrimSuffix(s, "*"), s)
		if mend != "" && len(s) <= longestInterface {
			mend += ", or a prefix of it and *"
		}
		return s, message, mend
	})
}

// device is the form of the name of one interface.
func device() form[string] {
	return parsed(`^[0-9A-Za-z._@-]{1,15}$`, func(s string) (string, string, string) {
		message, mend := checkInterface(s, s)
		return s, message, mend
	})
}

// longestInterface is the most that the name of an interface has: IFNAMSIZ is 16 with its NUL.
const longestInterface = 15

// checkInterface is what is wrong with the name of an interface, which stands as written in the file.
func checkInterface(name, written string) (message, mend string) {
	const form = "write the name as ip link shows it"
	strange := strings.ContainsFunc(name, func(r rune) bool { return notInLabel(r) && r != '.' && r != '@' })
	switch {
	case len(name) > longestInterface:
		return quote(written) + " is longer than 15 characters", form
	case strange, name == "", name == ".", name == "..":
		return quote(written) + " cannot be an interface", form
	}
	return "", ""
}
