package config

import (
	"strings"

	"github.com/goccy/go-yaml/ast"
)

func serviceForm() form[*Service] {
	f := object([]key[Service]{
		field("user", "The user that runs the tool.", users(), func(s *Service) *string { return &s.User }).
			needed().sample("uds"),
		field("executable", "The tool's program.", paths(), func(s *Service) *string { return &s.Executable }).
			sample("/opt/uds/bin/C42UserDirectorySync"),
		field("config", "The tool's own configuration.", paths(), func(s *Service) *string { return &s.Config }).
			sample("/opt/uds/config.properties"),
		field("java_home", "The Java runtime that the tool uses, where it is not found from the running tool.", paths(),
			func(s *Service) *string { return &s.JavaHome }).sample("/opt/uds/jre"),
	}, nil)
	return pointer(f)
}

// pointer is the form of a section that may be left out.
func pointer[T any](f form[T]) form[*T] {
	return form[*T]{schema: f.schema, read: func(r *reader, n ast.Node) (*T, bool) {
		v, ok := f.read(r, n)
		return &v, ok
	}}
}

// users is the form of a user's name. Directories bring names such as CORP\uds, so little is refused.
func users() form[string] {
	return parsed(`^[^-:/\s][^:/\s]*$`, func(s string) (string, string, string) {
		if strings.ContainsAny(s, ":/ ") || strings.HasPrefix(s, "-") {
			return "", quote(s) + " cannot be a user", "write the name as id prints it"
		}
		return s, "", ""
	})
}
