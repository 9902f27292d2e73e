package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// maxText bounds a text, in bytes: the longest that makes sense here is an LDAP filter.
const maxText = 4096

// text is the form of a text of one line.
func text() form[string] {
	s := schema{Type: "string", MinLength: new(1), MaxLength: new(maxText)}
	return form[string]{schema: s, read: func(r *reader, n ast.Node) (string, bool) {
		v, isText := textOf(n)
		scalar, isScalar := written(n)
		switch {
		case !isText && isScalar:
			r.wrong(n, "put it in quotes: \""+scalar+"\"", "a text belongs here, not %s", kindOf(n))
		case !isText:
			r.wrong(n, "write one text, in quotes if it holds \": \", \" #\" or begins with a sign",
				"a text belongs here, not %s", kindOf(n))
		case strings.TrimSpace(v) == "":
			r.wrong(n, "write it, or remove the key", "this text is empty")
		case len(v) > maxText:
			r.wrong(n, "shorten it", "this text is longer than %d bytes", maxText)
		case strings.ContainsFunc(v, func(c rune) bool { return !unicode.IsPrint(c) }):
			r.wrong(n, "write it on one line, without escapes", "this text holds a line break or another control character")
		default:
			return v, true
		}
		return "", false
	}}
}

func textOf(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	default:
		return "", false
	}
}

// parsed is the form of a value that is written as one scalar. The parser returns what is wrong and the mend.
func parsed[T any](pattern string, parse func(string) (v T, message, mend string)) form[T] {
	word := text()
	word.schema.Pattern = pattern
	return form[T]{schema: word.schema, read: func(r *reader, n ast.Node) (T, bool) {
		var zero T
		s, ok := written(n)
		if _, isText := textOf(n); isText || !ok {
			s, ok = word.read(r, n)
		}
		if !ok {
			return zero, false
		}
		v, message, mend := parse(s)
		if message == "" {
			// 22 and 10.20 are numbers to YAML. Where one was read whole, the schema would still refuse it.
			_, isText := textOf(n)
			return v, isText || word.of(r, n) != ""
		}
		r.wrong(n, mend, "%s", message)
		return zero, false
	}}
}

// choice is the form of one word out of some.
func choice[T ~string](words ...T) form[T] {
	s := schema{Type: "string"}
	for _, w := range words {
		s.Enum = append(s.Enum, string(w))
	}
	return form[T]{schema: s, read: func(r *reader, n ast.Node) (T, bool) {
		v, ok := written(n)
		if !ok {
			r.wrong(n, "write one of "+strings.Join(s.Enum, ", "), "a word belongs here, not %s", kindOf(n))
			return "", false
		}
		if slices.Contains(words, T(v)) {
			return T(v), true
		}
		mend := "write one of " + strings.Join(s.Enum, ", ")
		if near := nearest(v, s.Enum); near != "" {
			mend = "did you mean " + near + "? The choice is " + strings.Join(s.Enum, ", ")
		}
		r.wrong(n, mend, "%s is not one of the words that may stand here", quote(v))
		return "", false
	}}
}

// truth is the form of true or false.
func truth() form[bool] {
	return form[bool]{schema: schema{Type: "boolean"}, read: func(r *reader, n ast.Node) (bool, bool) {
		if b, ok := n.(*ast.BoolNode); ok {
			return b.Value, true
		}
		v, _ := written(n)
		mend := "write true or false"
		switch strings.ToLower(v) {
		case "yes", "on", "1", "y", "true":
			mend = "write true, without quotes"
		case "no", "off", "0", "n", "false":
			mend = "write false, without quotes"
		}
		r.wrong(n, mend, "true or false belongs here, not %s", kindOf(n))
		return false, false
	}}
}

// whole is the form of a whole number within bounds.
func whole(least, most int) form[int] {
	s := schema{Type: "integer", Minimum: new(least), Maximum: new(most)}
	mend := fmt.Sprintf("write a whole number from %d to %d", least, most)
	return form[int]{schema: s, read: func(r *reader, n ast.Node) (int, bool) {
		number, ok := n.(*ast.IntegerNode)
		if !ok || number.Token.Type != token.IntegerType {
			r.wrong(n, mend, "a whole number belongs here, not %s", kindOf(n))
			return 0, false
		}
		v, err := strconv.Atoi(number.Token.Value)
		if err != nil || v < least || v > most {
			r.wrong(n, mend, "%s is out of bounds", quote(number.Token.Value))
			return 0, false
		}
		return v, true
	}}
}
