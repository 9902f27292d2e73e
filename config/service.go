package config

import (
	"path/filepath"
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
		field("log", "The tool's log, or a pattern of its logs, to put its own complaints beside what the checks find.",
			logs(), func(s *Service) *string { return &s.Log }).sample("/var/log/uds/*.log").aside(),
	}, nil)
	return pointer(f)
}

// logs is the form of the path of a log; *, ? and [] stand for characters of its name (filepath.Match).
func logs() form[string] {
	return paths().then(func(r *reader, at ast.Node, path string) bool {
		_, err := filepath.Match(path, "")
		if err != nil {
			r.wrong(at, "close the bracket, or write \\[ for the character itself", "the pattern %s is malformed",
				quote(path))
		}
		return err == nil
	})
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
