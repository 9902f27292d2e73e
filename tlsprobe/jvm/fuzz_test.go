package jvm

import (
	"strings"
	"testing"
)

// FuzzProperties holds that no file of properties breaks what reads it.
func FuzzProperties(f *testing.F) {
	f.Add([]byte("jdk.tls.disabledAlgorithms=SSLv3, \\\n  RC4\n"))
	f.Add([]byte("a=${b}\nb=${a}\n\\u00zz=1"))
	f.Add([]byte("! x\n# y\n: =\\"))
	f.Fuzz(func(t *testing.T, text []byte) {
		for name, value := range parseProperties(text) {
			if len(name)+len(value) > 4*len(text) {
				t.Errorf("%q = %q of %q", name, value, text)
			}
		}
	})
}

// FuzzFields holds that what a launcher's text is split into comes from it.
func FuzzFields(f *testing.F) {
	f.Add("-Dx=\"a b\" 'c\\n' # d\n\\")
	f.Fuzz(func(t *testing.T, text string) {
		length := 0
		for _, field := range fields(text) {
			length += len(field)
		}
		if length > 3*len(text) { // an octet that is no UTF-8 becomes three
			t.Errorf("%q is split into more than it has", text)
		}
		flags := process{java: true, args: fields(text)}.flags()
		for name := range flags {
			if !strings.Contains(name, ".") {
				t.Errorf("flag %q", name)
			}
		}
	})
}
