package document

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf16"
	"unicode/utf8"

	"sallyport/report"
)

// maxDocument bounds what Read takes: some thousand results with their evidence.
const maxDocument = 64 << 20

// JSON writes the document, indented, for people and programs alike.
func JSON(w io.Writer, d Document) error { return encode(w, d, "  ") }

// JSONL writes one line of JSON for each result, without the document around them.
func JSONL(w io.Writer, d Document) error {
	out := bufio.NewWriter(w)
	for _, item := range d.Results {
		if err := encode(out, item, ""); err != nil {
			return err
		}
	}
	return out.Flush()
}

// Read reads a document of this schema; keys that it does not know are passed over.
func Read(r io.Reader) (Document, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxDocument+1))
	switch {
	case err != nil:
		return Document{}, fmt.Errorf("read document: %w", err)
	case len(data) > maxDocument:
		return Document{}, errors.New("read document: it is larger than 64 MiB")
	}
	var d Document
	if err := json.Unmarshal(data, &d); err != nil {
		return Document{}, fmt.Errorf("read document: %w", err)
	}
	if d.Schema != Schema {
		return Document{}, fmt.Errorf("read document: it has schema %d, this version reads %d: use the same version of both",
			d.Schema, Schema)
	}
	return d, nil
}

func encode(w io.Writer, value any, indent string) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetIndent("", indent)
	if err := e.Encode(value); err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	_, err := w.Write(Visible(b.Bytes()))
	return err
}

// Visible is JSON with every character that a terminal or an editor obeys instead of showing it (C1 controls, marks of
// direction, what has no glyph) written as \u escapes, which encoding/json leaves as they are. It means the same.
func Visible(data []byte) []byte {
	var out []byte // made at the first such character: there mostly is none
	kept := 0
	for i := 0; i < len(data); {
		if data[i] < utf8.RuneSelf && data[i] != 0x7f {
			i++
			continue
		}
		r, size := utf8.DecodeRune(data[i:])
		if c := string(data[i : i+size]); report.Printable(c, 16) != c {
			out = appendEscape(append(out, data[kept:i]...), r)
			kept = i + size
		}
		i += size
	}
	if kept == 0 {
		return data
	}
	return append(out, data[kept:]...)
}

func appendEscape(out []byte, r rune) []byte {
	if high, low := utf16.EncodeRune(r); high != utf8.RuneError {
		return fmt.Appendf(out, `\u%04x\u%04x`, high, low)
	}
	return fmt.Appendf(out, `\u%04x`, r)
}
