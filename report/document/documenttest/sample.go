package documenttest

import (
	"os"
	"path/filepath"
	"testing"

	"sallyport/report/document"
)

// Sample reads one of the golden files of package document: sample.json (one result of each status), status.json (with
// what is believed) or empty.json. It is for packages that stand beside package document.
func Sample(t testing.TB, name string) document.Document {
	t.Helper()
	file, err := os.Open(filepath.Join("..", "document", "testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	d, err := document.Read(file)
	if err != nil {
		t.Fatal(err)
	}
	return d
}
