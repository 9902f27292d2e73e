package config

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// FuzzParse holds that no text makes Parse panic or wait, that it gives a configuration or errors but never both, and
// that each error has its place within the text.
func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"testdata/invalid/*.yaml", "testdata/valid/*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			f.Fatalf("no seeds in %s: %v", pattern, err)
		}
		for _, path := range files {
			data, err := os.ReadFile(path)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		began := time.Now()
		c, err := Parse("x.yaml", data, Options{SkipFiles: true, Environ: noEnviron})
		if took := time.Since(began); took > 5*time.Second {
			t.Fatalf("took %v", took)
		}
		if (c == nil) == (err == nil) {
			t.Fatalf("%v and %v", c, err)
		}
		if err == nil {
			if expired := c.ExpiredWaivers(began); len(expired) > len(c.Waivers) {
				t.Fatalf("%d of %d waivers have expired", len(expired), len(c.Waivers))
			}
			return
		}
		var all Errors
		if !errors.As(err, &all) || len(all) == 0 || len(err.Error()) == 0 {
			t.Fatalf("%T: %v", err, err)
		}
		for _, e := range all {
			if e.Message == "" || e.Mend == "" || e.Line < 0 || e.Line > len(data)+2 {
				t.Fatalf("%+v", e)
			}
		}
	})
}
