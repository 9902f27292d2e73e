package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// form is how a value is written in the file: how it is read, and what the schema says of it. Both come from the same
// definition, so that they cannot drift apart. read notes what is wrong and returns false then.
type form[T any] struct {
	schema schema
	read   func(r *reader, n ast.Node) (T, bool)
}

// of is the value, or the zero value of what could not be read.
func (f form[T]) of(r *reader, n ast.Node) T {
	v, _ := f.read(r, n)
	return v
}

// then is the form with a further rule; it is asked only about what could be read.
func (f form[T]) then(rule func(r *reader, at ast.Node, v T) bool) form[T] {
	return form[T]{schema: f.schema, read: func(r *reader, n ast.Node) (T, bool) {
		v, ok := f.read(r, n)
		return v, ok && rule(r, n, v)
	}}
}

// key is one key of a mapping that is read into a T.
type key[T any] struct {
	name     string
	required bool
	schema   schema
	read     func(r *reader, n ast.Node, into *T) bool
	absent   func(r *reader, into *T) // gives the default; nil leaves the zero value
}

// field is a key whose value is read by a form into a place of T.
func field[T, V any](name, about string, f form[V], at func(*T) *V) key[T] {
	s := f.schema
	s.Description = about
	return key[T]{name: name, schema: s, read: func(r *reader, n ast.Node, into *T) bool {
		v, ok := f.read(r, n)
		if ok {
			*at(into) = v
		}
		return ok
	}}
}

// needed is the key as one that a mapping cannot do without.
func (k key[T]) needed() key[T] {
	k.required = true
	return k
}

// byDefault is the key with a default, as it would be written in the file: it is read by the same form.
func (k key[T]) byDefault(text string) key[T] {
	node := mustYAML(text)
	k.schema.Default = plain(node)
	k.absent = func(r *reader, into *T) { k.read(r, node, into) }
	return k
}

// sample is the key with the value that the shipped example shows, as it is written there.
func (k key[T]) sample(text string) key[T] {
	k.schema.sample = text
	return k
}

// aside is the key as one that the shipped example shows as a comment: few need it, or this version does not act on it.
func (k key[T]) aside() key[T] {
	k.schema.aside = true
	return k
}

// found is which keys a mapping had.
type found struct {
	self   ast.Node
	values map[string]ast.Node
	broken map[string]bool
}

// has says whether all keys stand in the file and could be read.
func (f *found) has(names ...string) bool {
	return f.sound(names...) && !slices.ContainsFunc(names, func(n string) bool { return f.values[n] == nil })
}

// sound says whether none of the keys is broken: each is good, or left out.
func (f *found) sound(names ...string) bool {
	return !slices.ContainsFunc(names, func(n string) bool { return f.broken[n] })
}

// at is the value of the first of the keys that stands in the file, or the mapping itself.
func (f *found) at(names ...string) ast.Node {
	for _, n := range names {
		if f.values[n] != nil {
			return f.values[n]
		}
	}
	return f.self
}

// object is the form of a mapping with these keys and no other. The rule, if any, judges the keys together.
func object[T any](keys []key[T], rule func(r *reader, f *found, v *T)) form[T] {
	s := schema{Type: "object", Properties: map[string]*schema{}, AdditionalProperties: new(false)}
	for _, k := range keys {
		s.Properties[k.name] = new(k.schema)
		s.order = append(s.order, k.name)
		if k.required {
			s.Required = append(s.Required, k.name)
		}
	}
	return form[T]{schema: s, read: func(r *reader, n ast.Node) (T, bool) {
		var v T
		before := len(r.errs)
		f, ok := readKeys(r, n, keys)
		if !ok {
			return v, false
		}
		for _, k := range keys {
			readKey(r, f, k, &v)
		}
		if rule != nil {
			rule(r, f, &v)
		}
		return v, len(r.errs) == before
	}}
}

// readKey reads one key, or gives its default.
func readKey[T any](r *reader, f *found, k key[T], into *T) {
	value, given := f.values[k.name]
	switch {
	case given:
		f.broken[k.name] = !k.read(r, value, into)
	case f.broken[k.name]: // misspelt
	case k.required:
		f.broken[k.name] = true
		r.wrong(f.self, fmt.Sprintf("add it, as in %s: %s", k.name, k.schema.sample), "the key %s is missing here", k.name)
	case k.absent != nil:
		k.absent(r, into)
	}
}

// readKeys sorts the keys of a mapping into those that belong there, and errors.
func readKeys[T any](r *reader, n ast.Node, keys []key[T]) (*found, bool) {
	names := make([]string, len(keys))
	for i, k := range keys {
		names[i] = k.name
	}
	pairs, ok := r.pairs(n)
	if !ok {
		mend := "write the keys below it, indented: " + strings.Join(names, ", ")
		if name, value, colon := strings.Cut(n.GetToken().Value, ":"); colon && slices.Contains(names, name) {
			mend = "put a space after the colon: " + name + ": " + value
		}
		r.wrong(n, mend, "a mapping belongs here, not %s", kindOf(n))
		return nil, false
	}
	f := &found{self: n, values: map[string]ast.Node{}, broken: map[string]bool{}}
	for _, p := range pairs {
		name := p.key.GetToken().Value
		first, twice := f.values[name]
		switch {
		case !slices.Contains(names, name):
			f.broken[r.unknownKey(p, name, names, isFlow(n))] = true
		case twice:
			r.wrong(p.key, "keep one of the two",
				"the key %s stands here twice, first in line %d", name, r.place(first).Line)
		default:
			f.values[name] = p.value
		}
	}
	return f, true
}

func isFlow(n ast.Node) bool {
	m, ok := n.(*ast.MappingNode)
	return ok && m.IsFlowStyle
}

// unknownKey notes a key that does not belong, and guesses which one was meant; empty when none is near.
func (r *reader) unknownKey(p pair, name string, names []string, flow bool) string {
	_, empty := p.value.(*ast.NullNode)
	near := nearest(name, names)
	switch {
	case isSecretKey.MatchString(name) && slices.Contains(names, "password_file"):
		r.wrong(p.key, "write the secret alone to a file of mode 0600, name it with password_file, and change the secret "+
			"if others could read this file", "a secret does not belong in the configuration")
		return "password_file"
	case isSecretKey.MatchString(name):
		r.wrong(p.key, "remove it, and change the secret if others could read this file",
			"a secret does not belong in the configuration")
	case flow && empty && near == "":
		r.wrong(p.key, "if it belongs to the text before it, put that whole text in quotes: a comma ends a value in braces",
			"%s stands here as a key without a value", quote(name))
	case near != "":
		r.wrong(p.key, "did you mean "+near+"?", "there is no key %s here", quote(name))
	default:
		r.wrong(p.key, "remove it; the keys here are "+strings.Join(names, ", "), "there is no key %s here", quote(name))
	}
	return near
}

// list is the form of a list of items, at least so many of them.
func list[T any](item form[T], least int) form[[]T] {
	s := schema{Type: "array", Items: new(item.schema)}
	if least > 0 {
		s.MinItems = new(least)
	}
	return form[[]T]{schema: s, read: func(r *reader, n ast.Node) ([]T, bool) {
		seq, ok := n.(*ast.SequenceNode)
		if !ok {
			r.wrong(n, listMend(n, least), "a list belongs here, not %s", kindOf(n))
			return nil, false
		}
		if len(seq.Values) < least {
			r.wrong(n, "write at least one entry", "this list is empty")
			return nil, false
		}
		all := make([]T, 0, len(seq.Values))
		sound := true
		for _, value := range seq.Values {
			v, ok := item.read(r, value)
			sound = sound && ok
			all = append(all, v)
		}
		return all, sound
	}}
}

func listMend(n ast.Node, least int) string {
	if text, ok := written(n); ok {
		return "write [" + text + "]"
	}
	if _, null := n.(*ast.NullNode); null && least == 0 {
		return "write [] for none, or entries that begin with -"
	}
	return "write entries that begin with -"
}
