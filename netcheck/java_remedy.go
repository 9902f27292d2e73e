package netcheck

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"sallyport/check"
	"sallyport/tlsprobe"
)

// remedyJava is the command that makes the service's Java trust what we trust; empty where the cause is another.
func remedyJava(cause check.Cause, attempts []attempt, roots *tlsprobe.Roots) string {
	if cause != check.CertJavaUntrusted {
		return ""
	}
	for i := range attempts {
		if o := attempts[i].asked; o != nil && !o.Trusted {
			if line := o.importing(roots); line != "" {
				return "Give the service's Java the authority, then start the service anew: " + line
			}
		}
	}
	return ""
}

// importing is the keytool line that adds the missing authority to the store. The authority is taken from a file that
// holds it alone, where there is one on this host, else from the line itself.
func (o *javaOpinion) importing(roots *tlsprobe.Roots) string {
	if o.missing == nil || o.trust.Store.Path == "" {
		return ""
	}
	keytool := filepath.Join(o.trust.Machine.Home, "bin/keytool")
	if _, err := os.Stat(keytool); err != nil {
		keytool = "keytool"
	}
	words := []string{shellWord(keytool), "-importcert", "-noprompt", "-trustcacerts", "-alias", o.alias()}
	given := ""
	if file := roots.File(o.missing); file != "" {
		words = append(words, "-file", shellWord(file))
	} else {
		given = "echo " + base64.StdEncoding.EncodeToString(o.missing.Raw) + " | base64 -d | "
	}
	words = append(words, "-keystore", shellWord(o.trust.Store.Path))
	if o.trust.OpensByDefault() {
		words = append(words, "-storepass", "changeit")
	}
	return given + strings.Join(words, " ")
}

// alias is a name for the authority that no other has: its own, in letters that need no quoting, and of its fingerprint.
func (o *javaOpinion) alias() string {
	name := o.missing.Subject.CommonName
	if name == "" && len(o.missing.Subject.Organization) > 0 {
		name = o.missing.Subject.Organization[0]
	}
	plain := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		case r == ' ', r == '-', r == '_', r == '.':
			return '-'
		}
		return -1
	}, name[:min(len(name), 40)])
	return strings.Trim(plain+"-"+sha256Of(o.missing)[:8], "-")
}

// shellWord is a text as one word of a POSIX shell. What does not print is written as bash and POSIX.1-2024 take it.
func shellWord(s string) string {
	plain := s != "" && strings.IndexFunc(s, func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_/.,:=@%+-", r)
	}) < 0
	switch {
	case plain:
		return s
	case strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) < 0:
		return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
	}
	var b strings.Builder
	b.WriteString("$'")
	for _, c := range []byte(s) {
		if c < ' ' || c > '~' || c == '\'' || c == '\\' {
			b.WriteString(`\` + leftZeros(strconv.FormatUint(uint64(c), 8)))
			continue
		}
		b.WriteByte(c)
	}
	return b.String() + "'"
}

// leftZeros makes an octal number three digits long, so that the next character is none of it.
func leftZeros(digits string) string { return strings.Repeat("0", 3-len(digits)) + digits }
