package integration_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"sallyport/integration/lab"
)

// binaries is the folder of the product's binaries. It is made and removed by TestMain, and filled by the first test that
// needs it.
var binaries string

// built builds the binaries once, static as they are shipped.
var built = sync.OnceValue(func() error {
	cmd := exec.Command("go", "build", "-trimpath", "-o", binaries+"/", "./cmd/...")
	cmd.Dir = ".."
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOPROXY=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w: %s", err, out)
	}
	return nil
})

// TestMain runs the tests where nothing can touch the machine's own namespaces.
func TestMain(m *testing.M) { os.Exit(lab.Isolated(func() int { return inside(m) })) }

func inside(m *testing.M) int {
	dir, err := os.MkdirTemp("", "sallyport-")
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	binaries = dir
	code := m.Run()
	if err := os.RemoveAll(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// binary is the path of one of the product's binaries.
func binary(t *testing.T, name string) string {
	t.Helper()
	if err := built(); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(binaries, name)
}

// need fails where everything must be tested, and skips elsewhere, when a program is missing.
func need(t *testing.T, programs ...string) {
	t.Helper()
	for _, program := range programs {
		if _, err := exec.LookPath(program); err == nil {
			continue
		}
		if os.Getenv("SALLYPORT_TEST_FULL") == "1" {
			t.Fatalf("%s is not installed", program)
		}
		t.Skipf("%s is not installed", program)
	}
}

// world is a lab with real servers, and Sallyport on its host.
type world struct {
	*lab.Lab
	*lab.Sallyport
	t *testing.T
}

// shortDir is t.TempDir with a name that leaves room for a socket's in the 108 bytes of sun_path (unix(7)).
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "sp-") //nolint:usetesting // see above
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// newWorld builds a world that the test has to itself.
func newWorld(t *testing.T, settings lab.Settings) world {
	t.Helper()
	t.Parallel()
	need(t, "unbound", "nginx", "slapd", "slapadd")
	bin := binary(t, "sallyport")
	l, err := lab.New(within(t, 20*time.Second), shortDir(t), lab.Real)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	s, err := l.NewSallyport(bin, settings)
	if err != nil {
		t.Fatal(err)
	}
	return world{Lab: l, Sallyport: s, t: t}
}

// services starts what listens on the host.
func (w world) services() {
	w.t.Helper()
	services, err := lab.StartServices(w.t.Context(), w.Host)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		if err := services.Close(); err != nil {
			w.t.Error(err)
		}
	})
}

// within bounds one wait of a test.
func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// must runs a subcommand and wants the exit code.
func (w world) must(code int, command string, args ...string) lab.Outcome {
	w.t.Helper()
	got, err := w.Command(within(w.t, time.Minute), command, args...)
	if err != nil {
		w.t.Fatal(err)
	}
	if got.Code != code {
		w.t.Fatalf("sallyport %s %v exited with %d, want %d: %s%s", command, args, got.Code, code, got.Stdout, got.Stderr)
	}
	return got
}

// daemon starts sallyport run and waits until all is well.
func (w world) daemon() {
	w.t.Helper()
	w.launch()
	w.await(lab.AllOK)
}

// launch starts sallyport run.
func (w world) launch() {
	w.t.Helper()
	if err := w.Run(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		if w.t.Failed() {
			w.t.Logf("the daemon said:\n%s", w.Daemon().Output())
		}
	})
}

// await waits until the daemon's status is as wanted.
func (w world) await(want func(lab.Report) error) lab.Report {
	w.t.Helper()
	report, err := w.AwaitStatus(within(w.t, 20*time.Second), want)
	if err != nil {
		w.t.Fatal(err)
	}
	return report
}

// nft runs nft on the host and wants success.
func (w world) nft(args ...string) string {
	w.t.Helper()
	need(w.t, "nft")
	got, err := w.Host.Run(within(w.t, 10*time.Second), "nft", args...)
	if err != nil || got.Code != 0 {
		w.t.Fatalf("nft %v: %v: %s", args, err, got.Stderr)
	}
	return got.Stdout
}

// programOf is the path of a program that need has found.
func programOf(w world, name string) string {
	w.t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		w.t.Fatal(err)
	}
	return path
}
