package config

import (
	"path/filepath"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

func trustForm() form[Trust] {
	return object([]key[Trust]{
		field("roots", "Where trusted authorities are: system, a PEM file, a store of Java's (JKS or PKCS #12), or a "+
			"folder of PEM files.",
			list(roots(), 1),
			func(t *Trust) *[]string { return &t.Roots }).byDefault("[system]"),
		field("java", "Also judge by the trust store of the Java that the service uses: auto, off, or a Java home.",
			javas(), func(t *Trust) *string { return &t.Java }).byDefault("auto").aside(),
		field("password_file", "A file of mode 0600, or a credential of systemd, that holds the password of those stores "+
			"and of Java's own; without it, changeit is tried, then none.", passwords(),
			func(t *Trust) *string { return &t.PasswordFile }).sample(credentials + "/store-password").aside(),
	}, nil)
}

// javas is the form of trust.java.
func javas() form[string] {
	f := text()
	f.schema.Pattern = `^(auto|off|/.*)$`
	return form[string]{schema: f.schema, read: func(r *reader, n ast.Node) (string, bool) {
		if word, ok := written(n); ok && !strings.HasPrefix(word, "/") && word != JavaAuto && word != JavaOff {
			r.wrong(n, "write auto, off, or the path of a Java home, as in /opt/uds/jre", "%s is not a Java", quote(word))
			return "", false
		}
		v, ok := f.read(r, n)
		if ok && strings.HasPrefix(v, "/") {
			return filepath.Clean(v), r.absolute(n, v)
		}
		return v, ok
	}}
}
