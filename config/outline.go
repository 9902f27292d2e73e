package config

import (
	"fmt"

	"github.com/goccy/go-yaml/token"
)

const (
	maxDepth = 32  // no value of the format lies deeper than 8
	maxKeys  = 200 // of one mapping; the parser's work grows with their square
)

// outline reads the tokens of a text before it is parsed. It refuses what the format leaves out of YAML (anchors,
// aliases, merge keys, tags, directives, explicit keys, further documents), so that nothing can refer to anything, and
// it bounds depth and width, so that the parser's recursion and its quadratic work are bounded too.
type outline struct {
	src   *source
	errs  Errors
	flow  int     // how many brackets are open
	level []level // the block mappings and sequences that are open, by column
	docs  int
	begun bool // a value was seen
}

type level struct{ column, entries int }

// refused are the tokens that the format leaves out, each with its name and what to write instead.
func refused(t token.Type) (name, mend string) {
	switch t {
	case token.AnchorType:
		return "an anchor (&)", "write the value out where it is needed, or put text that begins with & in quotes"
	case token.AliasType:
		return "an alias (*)", "write the value out where it is needed, or put text that begins with * in quotes"
	case token.MergeKeyType:
		return "a merge key (<<)", "write the keys out"
	case token.TagType:
		return "a tag (!)", "leave it out, or put text that begins with ! in quotes"
	case token.DirectiveType:
		return "a directive (%)", "leave it out, or put text that begins with % in quotes"
	case token.MappingKeyType:
		return "an explicit key (?)", "write key: value"
	default:
		return "", ""
	}
}

// check reads all tokens; it stops at the first that is too deep or too wide.
func (o *outline) check(tokens token.Tokens) Errors {
	for i, tk := range tokens {
		if name, mend := refused(tk.Type); name != "" {
			o.wrong(tk, name+" is not allowed in this file", mend)
		}
		o.document(tk)
		switch tk.Type {
		case token.MappingStartType, token.SequenceStartType:
			o.flow++
		case token.MappingEndType, token.SequenceEndType:
			o.flow = max(o.flow-1, 0)
		case token.SequenceEntryType:
			o.enter(tk)
		case token.MappingValueType:
			if i > 0 {
				o.enter(tokens[i-1])
			}
		}
		if o.flow+len(o.level) > maxDepth {
			o.wrong(tk, fmt.Sprintf("values are nested more than %d deep here", maxDepth), "close the brackets before")
			break
		}
		if n := len(o.level); n > 0 && tk.Type == token.MappingValueType && o.level[n-1].entries > maxKeys {
			o.wrong(tk, fmt.Sprintf("this mapping has more than %d keys", maxKeys), "remove the keys that are repeated")
			break
		}
	}
	return o.errs
}

// enter notes an entry of a block mapping or sequence: the levels to the right of its column are closed by it.
func (o *outline) enter(tk *token.Token) {
	if o.flow > 0 {
		return
	}
	col := tk.Position.Column
	for n := len(o.level); n > 0 && o.level[n-1].column > col; n = len(o.level) {
		o.level = o.level[:n-1]
	}
	if n := len(o.level); n > 0 && o.level[n-1].column == col {
		o.level[n-1].entries++
		return
	}
	o.level = append(o.level, level{column: col, entries: 1})
}

// document refuses a second document: only the first would be in force, silently.
func (o *outline) document(tk *token.Token) {
	switch tk.Type {
	case token.CommentType, token.DirectiveType, token.DocumentEndType:
	case token.DocumentHeaderType:
		o.docs++
		if o.begun || o.docs > 1 {
			o.wrong(tk, "a second document begins here", "keep one document: remove the line --- and what does not belong")
		}
	default:
		o.begun = true
	}
}

func (o *outline) wrong(tk *token.Token, message, mend string) {
	if len(o.errs) >= maxErrors {
		return
	}
	place := o.src.place(tk.Position.Line, tk.Position.Column)
	o.errs = append(o.errs, Error{Place: place, Message: message, Mend: mend})
}
