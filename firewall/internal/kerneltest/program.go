package kerneltest

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"testing"
)

// Nft runs the program nft in the namespace of the calling thread, with a text to read, and is what it printed. That it
// fails ends the test.
func Nft(t testing.TB, stdin string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath("nft")
	if err != nil {
		Unprepared(t, "the program nft: %v", err)
	}
	cmd := exec.CommandContext(t.Context(), path, args...) //nolint:gosec // a test says what nft is to do
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("nft %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// IP runs the program ip in the namespace of the calling thread, once for each line of arguments. The error has what it
// said.
func IP(ctx context.Context, lines ...string) error {
	for _, line := range lines {
		//nolint:gosec // a test says what ip is to do
		if out, err := exec.CommandContext(ctx, "ip", strings.Fields(line)...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %s: %w\n%s", line, err, out)
		}
	}
	return nil
}
