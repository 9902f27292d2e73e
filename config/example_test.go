package config

import (
	"encoding/json"
	"strings"
)

const exampleHead = `# Sallyport's configuration, with every key. What is commented out, few need.
# Check a change with: sallyport config check
# Keys, types and defaults for an editor: sallyport config schema
`

// example is the shipped example: every key with what it is for, made from the same definitions as the decoder.
func example() []byte {
	var out strings.Builder
	out.WriteString(exampleHead)
	root := fileForm().schema
	for _, name := range root.order {
		out.WriteString("\n")
		exampleKey(&out, name, root.Properties[name], "", "")
	}
	return []byte(out.String())
}

// exampleKey writes a key with what it is for, and its value: the sample, the default, or what is below it.
func exampleKey(out *strings.Builder, name string, s *schema, indent, lead string) {
	if s.hidden {
		return
	}
	const width = 110
	pad := indent + strings.Repeat(" ", len(lead))
	if lead == "" {
		for _, line := range wrap(s.about(), width-len(pad)) {
			out.WriteString(pad + "# " + line + "\n")
		}
		lead = pad
	} else {
		lead = indent + lead
	}
	if s.aside {
		lead += "#"
	}
	switch {
	case s.sample != "":
		out.WriteString(lead + name + ": " + s.sample + "\n")
	case s.Type == "array" && s.Items.Type == "object":
		out.WriteString(lead + name + ":\n")
		exampleKeys(out, s.Items, indent+"  ", "- ")
	case s.Type == "object":
		out.WriteString(lead + name + ":\n")
		exampleKeys(out, s, indent+"  ", "")
	default:
		out.WriteString(lead + name + ": " + s.shown() + "\n")
	}
}

// exampleKeys writes the keys of a mapping; of an entry of a list, the first stands beside the hyphen.
func exampleKeys(out *strings.Builder, s *schema, indent, lead string) {
	for _, name := range s.order {
		exampleKey(out, name, s.Properties[name], indent, lead)
		indent, lead = indent+strings.Repeat(" ", len(lead)), ""
	}
}

// about is what a key is for, with its default.
func (s *schema) about() string {
	if s.Default == nil {
		return s.Description
	}
	return s.Description + " Default: " + s.shown() + "."
}

// shown is the default as it is written in the file.
func (s *schema) shown() string {
	if word, ok := s.Default.(string); ok {
		return word
	}
	text, err := json.Marshal(s.Default)
	if err != nil {
		return ""
	}
	return strings.ReplaceAll(string(text), `"`, "")
}

// wrap breaks a text into lines of at most so many characters.
func wrap(s string, most int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(s) {
		if line != "" && len(line)+1+len(word) > most {
			lines, line = append(lines, line), ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}
