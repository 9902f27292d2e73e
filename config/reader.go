package config

import (
	"fmt"
	"strconv"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// reader is one reading of a file: what is wrong so far, and what later values depend on.
type reader struct {
	src      *source
	opts     Options
	errs     Errors
	notices  []Notice
	claimed  map[string]Place // unique names, by kind and name
	defaults defaults         // what holds for each check that does not say otherwise
}

// defaults is checks.defaults. Of the server, only what the keys of servers take from there is set.
type defaults struct {
	Schedule
	Server
	Proxy *Proxy
}

// wrong notes an error at a node.
func (r *reader) wrong(at ast.Node, mend, format string, args ...any) {
	if len(r.errs) < maxErrors {
		r.errs = append(r.errs, Error{Place: r.place(at), Message: fmt.Sprintf(format, args...), Mend: mend})
	}
}

// notice notes that what stands at a node is not acted on.
func (r *reader) notice(at ast.Node, message string) {
	r.notices = append(r.notices, Notice{Place: r.place(at), Message: message})
}

// claim takes a name that must be unique among its kind.
func (r *reader) claim(kind, name string, at ast.Node) {
	key := kind + " " + name
	if first, taken := r.claimed[key]; taken {
		mend := "give each its own name"
		if kind == "waiver" {
			mend = "keep one of the two"
		}
		r.wrong(at, mend, "the name %s is taken by another %s in line %d", quote(name), kind, first.Line)
		return
	}
	r.claimed[key] = r.place(at)
}

func (r *reader) place(at ast.Node) Place {
	tk := firstToken(at)
	if tk == nil || tk.Position == nil {
		return Place{File: r.src.name}
	}
	return r.src.place(tk.Position.Line, tk.Position.Column)
}

// firstToken is where a value begins; of a block mapping the library gives the first colon instead.
func firstToken(n ast.Node) *token.Token {
	switch n := n.(type) {
	case nil:
		return nil
	case *ast.MappingNode:
		if !n.IsFlowStyle && len(n.Values) > 0 {
			return n.Values[0].Key.GetToken()
		}
		return n.Start
	case *ast.MappingValueNode:
		return n.Key.GetToken()
	default:
		return n.GetToken()
	}
}

// pair is a key with its value.
type pair struct{ key, value ast.Node }

// pairs are the keys of a mapping; not ok is an error that is noted.
func (r *reader) pairs(n ast.Node) ([]pair, bool) {
	switch n := n.(type) {
	case *ast.MappingNode:
		all := make([]pair, len(n.Values))
		for i, v := range n.Values {
			all[i] = pair{key: v.Key, value: v.Value}
		}
		return all, true
	case *ast.MappingValueNode:
		return []pair{{key: n.Key, value: n.Value}}, true
	default:
		return nil, false
	}
}

// kindOf is what a node is, in the words of someone who does not write parsers.
func kindOf(n ast.Node) string {
	switch n := n.(type) {
	case nil, *ast.NullNode:
		return "nothing"
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a mapping"
	case *ast.SequenceNode:
		return "a list"
	case *ast.BoolNode:
		return "the truth value " + n.Token.Value
	case *ast.IntegerNode:
		return "the number " + n.Token.Value
	case *ast.FloatNode:
		return "the number " + n.Token.Value
	case *ast.StringNode:
		return "the text " + quote(n.Value)
	default:
		return "the value " + quote(n.String())
	}
}

// written is a scalar as it stands in the file; not ok for mappings, lists and nothing.
func written(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.IntegerNode:
		return n.Token.Value, true
	case *ast.FloatNode:
		return n.Token.Value, true
	case *ast.BoolNode:
		return n.Token.Value, true
	default:
		return "", false
	}
}

// quote is text of the file in a message: in quotes, printable and short.
func quote(s string) string {
	const most = 80
	if runes := []rune(s); len(runes) > most {
		s = string(runes[:most]) + "…"
	}
	return strconv.Quote(s)
}
