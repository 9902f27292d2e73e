package integration_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// shipped is the folder of the binaries as `make build` makes them, flags included.
var shipped = sync.OnceValues(func() (string, error) {
	dir := filepath.Join(binaries, "shipped")
	_, err := inModule("make", "--no-print-directory", "build", "BIN="+dir)
	return dir, err
})

// loopback is the program of the benchmarks' servers.
var loopback = sync.OnceValues(func() (string, error) {
	file := filepath.Join(binaries, "loopback")
	_, err := inModule("go", "build", "-o", file, "./integration/lab/loopback")
	return file, err
})

// inModule runs a command in the module's folder.
func inModule(name string, args ...string) ([]byte, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir = ".."
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOPROXY=off")
	cmd.Stderr = os.Stderr
	return cmd.Output()
}

// available skips a benchmark where a program is missing. It says so itself: go test does only with -v.
func available(b *testing.B, programs ...string) {
	b.Helper()
	for _, program := range programs {
		if _, err := exec.LookPath(program); err != nil {
			fmt.Fprintf(os.Stderr, "%s: skipped, %s is not installed\n", b.Name(), program)
			b.SkipNow()
		}
	}
}

// BenchmarkBinary reports the size of the product's binary, built with the Makefile's flags.
func BenchmarkBinary(b *testing.B) {
	available(b, "make", "go")
	dir, err := shipped()
	if err != nil {
		b.Fatal(err)
	}
	var size int64
	for b.Loop() { // it does not change, but a benchmark repeats something
		info, err := os.Stat(filepath.Join(dir, "sallyport"))
		if err != nil {
			b.Fatal(err)
		}
		size = info.Size()
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(size)/(1<<20), "MiB")
}
