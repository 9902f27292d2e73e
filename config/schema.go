package config

import (
	"bytes"
	"encoding/json"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// schema is what a JSON Schema (draft 2020-12) says of a value, and how the shipped example shows it.
type schema struct {
	Dialect              string              `json:"$schema,omitempty"`
	Title                string              `json:"title,omitempty"`
	Description          string              `json:"description,omitempty"`
	Type                 string              `json:"type,omitempty"`
	Enum                 []string            `json:"enum,omitempty"`
	Pattern              string              `json:"pattern,omitempty"`
	MinLength            *int                `json:"minLength,omitempty"`
	MaxLength            *int                `json:"maxLength,omitempty"`
	Minimum              *int                `json:"minimum,omitempty"`
	Maximum              *int                `json:"maximum,omitempty"`
	Items                *schema             `json:"items,omitempty"`
	MinItems             *int                `json:"minItems,omitempty"`
	Properties           map[string]*schema  `json:"properties,omitempty"`
	Required             []string            `json:"required,omitempty"`
	DependentRequired    map[string][]string `json:"dependentRequired,omitempty"`
	AnyOf                []*schema           `json:"anyOf,omitempty"`
	OneOf                []*schema           `json:"oneOf,omitempty"`
	AdditionalProperties *bool               `json:"additionalProperties,omitempty"`
	Default              any                 `json:"default,omitempty"`

	order  []string // the properties as the example shows them
	sample string   // the value that the example shows
	aside  bool     // the example shows it as a comment
	hidden bool     // the example leaves it out
}

// Schema is the JSON Schema (draft 2020-12) of the file. It comes from the same definitions as the decoder. It is for
// editors: what takes more than one key, a file or the clock to judge, only Parse can tell.
func Schema() []byte {
	s := fileForm().schema
	s.Dialect = "https://json-schema.org/draft/2020-12/schema"
	s.Title = "Sallyport configuration"
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(s); err != nil {
		panic("config: the schema cannot be written: " + err.Error()) // strings, numbers and lists always can
	}
	return out.Bytes()
}

// mustYAML is the value of a text that stands in this package.
func mustYAML(text string) ast.Node {
	file, err := parser.ParseBytes([]byte(text), 0)
	if err != nil || len(file.Docs) != 1 || file.Docs[0].Body == nil {
		panic("config: not a value: " + text)
	}
	return file.Docs[0].Body
}

// plain is a node as JSON has it; mappings, which are never a default of their own, are empty.
func plain(n ast.Node) any {
	switch n := n.(type) {
	case *ast.SequenceNode:
		all := make([]any, len(n.Values))
		for i, v := range n.Values {
			all[i] = plain(v)
		}
		return all
	case *ast.StringNode:
		return n.Value
	case *ast.BoolNode:
		return n.Value
	case *ast.IntegerNode:
		return n.Value
	default:
		return nil
	}
}
