package jvm

import "github.com/magiconair/properties"

// parseProperties reads a text as java.util.Properties does: continued lines, \uXXXX, the last of two values. Nothing is
// expanded. A text that Java would refuse has none.
func parseProperties(text []byte) map[string]string {
	loader := properties.Loader{Encoding: properties.ISO_8859_1, DisableExpansion: true}
	p, err := loader.LoadBytes(text)
	if err != nil {
		return nil
	}
	return p.Map()
}
