package dnsrig

import (
	"bytes"
	"context"
	"net/netip"
	"os/exec"
	"testing"

	"github.com/miekg/dns"
)

// run starts a program, which ends with the test, and shows what it said if the test failed.
func run(t *testing.T, name string, args ...string) {
	t.Helper()
	program := NeedProgram(t, name)
	ctx, cancel := context.WithCancel(context.Background())
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, program, args...) //nolint:gosec // a test chose them
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		cancel()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s said:\n%s", name, out.String())
		}
	})
}

// awaitAnswer waits until a server answers a question with that many records or more.
func awaitAnswer(t *testing.T, server netip.AddrPort, name string, qtype uint16, records int) *dns.Msg {
	t.Helper()
	var answer *dns.Msg
	Eventually(t, server.String()+" answers for "+name, func() bool {
		m := new(dns.Msg).SetQuestion(name, qtype)
		got, err := dns.Exchange(m, server.String())
		answer = got
		return err == nil && len(got.Answer) >= records
	})
	return answer
}
