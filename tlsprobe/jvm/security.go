package jvm

import (
	"errors"
	"io/fs"
	"maps"
	"net/url"
	"path/filepath"
	"strings"
)

// Security are the security properties of the machine: those of its java.security, and of the file that a flag names
// (java.security.Security.initialize). The notes say what could not be read.
func (m Machine) Security() (properties map[string]string, notes []string) {
	properties = map[string]string{}
	for _, place := range []string{"conf/security/java.security", "lib/security/java.security"} { // Java 9 and later; 8
		path := filepath.Join(m.Home, place)
		text, err := readText(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			notes = append(notes, "its security properties cannot be read: "+err.Error())
			break
		}
		properties = parseProperties(text)
		break
	}
	named := m.Flags[PropertySecurity]
	if named == "" || strings.TrimSpace(properties["security.overridePropertiesFile"]) == "false" {
		return properties, notes
	}
	path, instead := strings.CutPrefix(named, "=") // -Djava.security.properties==FILE: that file alone
	text, err := readText(m.path(path))
	if err != nil {
		return properties, append(notes, "the security properties of "+PropertySecurity+" cannot be read: "+err.Error())
	}
	further := parseProperties(text)
	if instead || properties == nil {
		return further, notes
	}
	maps.Copy(properties, further)
	return properties, notes
}

// path is where a flag's value leads: a path, or a URL of one.
func (m Machine) path(value string) string {
	if u, err := url.Parse(value); err == nil && u.Scheme == "file" {
		value = u.Path
	}
	if !filepath.IsAbs(value) && m.Folder != "" {
		return filepath.Join(m.Folder, value)
	}
	return value
}
