package config

import (
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// parse is the one value of the text. The errors are those of the YAML itself; a parser can only find the first.
func (s *source) parse() (ast.Node, Errors) {
	tokens := lexer.Tokenize(s.text)
	o := outline{src: s}
	if errs := o.check(tokens); len(errs) > 0 {
		return nil, errs
	}
	// Duplicate keys are found while decoding, all of them and with both places.
	file, err := parseTokens(tokens)
	if err != nil {
		return nil, Errors{s.syntaxError(err)}
	}
	for _, doc := range file.Docs {
		if doc.Body != nil {
			return doc.Body, nil
		}
	}
	return nil, Errors{{Place: Place{File: s.name}, Message: "the file holds nothing but comments",
		Mend: "take the comment signs from the keys that you want, or write a new file with: sallyport init"}}
}

// parseTokens is the library's parser; a panic of its own is an error here, since a daemon that reloads must live on.
func parseTokens(tokens token.Tokens) (file *ast.File, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the YAML reader gave up: %v", p)
		}
	}()
	return parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
}

// syntaxMend is what to do about what the parser says, by a part of its words.
type syntaxMend struct{ said, message, mend string }

func syntaxMends() []syntaxMend {
	indent := "give the lines of one mapping the same indentation, and put text with \": \" or \" #\" in it in quotes"
	return []syntaxMend{
		{"sequence end token", "the list that begins here has no end", "close it with ]"},
		{"could not find flow mapping end", "the mapping that begins here has no end", "close it with }"},
		{"could not find flow map content", "the mapping in braces is not finished here",
			"write {key: value, key: value} and close it with }"},
		{"end character of double-quoted", "the text that begins here has no end", "close it with \""},
		{"end character of single-quoted", "the text that begins here has no end", "close it with '"},
		{"'[' character corresponding", "there is a ] without its [", "remove it, or put the text in quotes"},
		{"'{' character corresponding", "there is a } without its {", "remove it, or put the text in quotes"},
		{"reserved character", "text cannot begin with this character", "put the text in quotes"},
		{"unexpected directive", "text cannot begin with %", "put the text in quotes"},
		{"directive value", "text cannot begin with %", "put the text in quotes"},
		{"cannot start any token", "text cannot begin with this character",
			"put the text in quotes, and indent with spaces"},
		{"mapping value is not allowed", "there is a second \": \" where one value belongs", indent},
		{"value is not allowed", "a value cannot stand here", indent},
		{"block sequence entries are not allowed", "a list with - cannot begin on the line of its key",
			"begin it on the next line, or write [a, b]"},
		{"unexpected key name", "this line is not a key with its value", "write key: value, with a space after the colon"},
		{"non-map value", "this line is not a key with its value", "write key: value, with a space after the colon"},
		{"must be specified", "the entries in brackets are not separated", "put a comma between two entries"},
		{"invalid key for this map", "there is a colon without a key", "write key: value"},
	}
}

// syntaxError is the parser's error with its place, in words that help.
func (s *source) syntaxError(err error) Error {
	var placed interface {
		GetToken() *token.Token
		GetMessage() string
	}
	place, said := Place{File: s.name}, err.Error()
	if errors.As(err, &placed) {
		said = placed.GetMessage()
		if tk := placed.GetToken(); tk != nil && tk.Position != nil {
			place = s.place(tk.Position.Line, tk.Position.Column)
		}
	}
	for _, m := range syntaxMends() {
		if strings.Contains(said, m.said) {
			return Error{Place: place, Message: m.message, Mend: m.mend}
		}
	}
	return Error{Place: place, Message: "this is not YAML: " + quoteless(said),
		Mend: "look at the indentation, quotes and brackets of this line and the one before"}
}

// quoteless is foreign text on one line, printable and short.
func quoteless(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	runes := []rune(strings.Map(visible, line))
	return string(runes[:min(len(runes), 120)])
}
