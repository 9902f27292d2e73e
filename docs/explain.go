package docs

import (
	"embed"
	"io/fs"
	"slices"
	"strings"
)

//go:embed causes/*.md
var pages embed.FS

const (
	folder    = "causes/"
	extension = ".md"
	// unknown is the page that all codes of the form unknown.<layer> share.
	unknown = "unknown"
)

// Explain returns the page of a cause's code, in Markdown; false if there is none. The codes unknown.<layer> share one.
func Explain(code string) (string, bool) {
	if layer, ok := strings.CutPrefix(code, unknown+"."); ok && layer != "" {
		code = unknown
	}
	page, err := pages.ReadFile(folder + code + extension)
	if err != nil {
		return "", false
	}
	return string(page), true
}

// Codes lists the codes that have a page, sorted; unknown stands for every unknown.<layer>.
func Codes() []string {
	names, err := fs.Glob(pages, folder+"*"+extension)
	if err != nil { // only for a malformed pattern
		return nil
	}
	codes := make([]string, 0, len(names))
	for _, name := range names {
		codes = append(codes, strings.TrimSuffix(strings.TrimPrefix(name, folder), extension))
	}
	slices.Sort(codes)
	return codes
}
