package config

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// update writes what is seen into the golden files: go test ./config -update.
var update = flag.Bool("update", false, "write the golden files")

// golden compares with a file, or writes it.
func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v: write it with -update", err)
	}
	if !bytes.Equal(want, got) {
		t.Errorf("%s differs; got:\n%s\nwant:\n%s", path, got, want)
	}
}

// invalidFiles are the files that break one rule each.
func invalidFiles(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/invalid/*.yaml")
	if err != nil || len(files) < 40 {
		t.Fatalf("%d invalid files (%v), want 40 or more", len(files), err)
	}
	return files
}

func TestInvalidFilesWholeMessage(t *testing.T) {
	for _, path := range invalidFiles(t) {
		name := filepath.Base(path)
		t.Run(strings.TrimSuffix(name, ".yaml"), func(t *testing.T) {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			c, err := Parse(name, data, Options{SkipFiles: true, Environ: noEnviron})
			if err == nil {
				t.Fatalf("accepted: %+v", c)
			}
			if c != nil {
				t.Error("a configuration came with the error")
			}
			checkErrors(t, name, err)
			golden(t, strings.TrimSuffix(path, ".yaml")+".txt", []byte(err.Error()+"\n"))
		})
	}
}

// checkErrors holds what each error must have, whatever it says.
func checkErrors(t *testing.T, name string, err error) {
	t.Helper()
	var all Errors
	if !errors.As(err, &all) || len(all) == 0 {
		t.Fatalf("%T is not Errors, or empty", err)
	}
	for i, e := range all {
		if e.File != name || e.Message == "" || e.Mend == "" {
			t.Errorf("an error lacks file, message or mend: %+v", e)
		}
		if i > 0 && e.before(all[i-1].Place) < 0 {
			t.Errorf("the errors are not in the order of place: %v before %v", all[i-1].Place, e.Place)
		}
		if strings.HasSuffix(e.Message, ".") || strings.Contains(e.Message, "\n") {
			t.Errorf("not one sentence: %q", e.Message)
		}
	}
	if strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a secret is shown: %v", err)
	}
}

func noEnviron(string) string { return "" }

func TestGoldenFilesHaveTheirInput(t *testing.T) {
	texts, err := filepath.Glob("testdata/invalid/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range texts {
		if _, err := os.Stat(strings.TrimSuffix(text, ".txt") + ".yaml"); err != nil {
			t.Errorf("%s stands alone: %v", text, err)
		}
	}
}

func TestShippedExample(t *testing.T) {
	const shipped = "../deploy/sallyport.yaml"
	golden(t, shipped, example())
	c, err := load(shipped, Options{SkipFiles: true, Environ: noEnviron})
	if err != nil {
		t.Fatal(err)
	}
	if errs := c.ExpiredWaivers(time.Now()); len(errs) > 0 {
		t.Errorf("the example ages: %v", errs)
	}
}

func TestSchemaGolden(t *testing.T) { golden(t, "schema.json", Schema()) }
