package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"golang.org/x/sys/unix"

	"sallyport/integration/lab"
)

// TestKnockers holds that a source's ports come in an order of their own, whatever the report's.
func TestKnockers(t *testing.T) {
	t.Parallel()
	got, err := knockers(lab.Result{Evidence: json.RawMessage(`{"knocks": [
		{"from": "fd77::66", "protocol": "udp", "port": 161, "packets": 3},
		{"from": "fd77::66", "protocol": "tcp", "port": 8080, "packets": 1},
		{"from": "10.77.0.20", "protocol": "tcp", "port": 8080, "packets": 2},
		{"from": "fd77::66", "protocol": "tcp", "port": 22, "packets": 1}]}`)})
	if err != nil || len(got) != 2 {
		t.Fatalf("%+v, %v", got, err)
	}
	if one := got["fd77::66"]; one.ports() != "22/tcp 8080/tcp 161/udp" || one.packets != 5 {
		t.Errorf("%+v", one)
	}
	if none, err := knockers(lab.Result{}); err != nil || len(none) > 0 {
		t.Errorf("without evidence: %+v, %v", none, err)
	}
	if _, err := knockers(lab.Result{Check: "firewall", Evidence: json.RawMessage(`{"knocks": 7}`)}); err == nil {
		t.Error("knocks that are none are taken for some")
	}
}

// TestOutcome holds that a refusal reads the same, whether it is nft's or the kernel's own.
func TestOutcome(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		want string
	}{
		{nil, "done"},
		{fmt.Errorf("nft delete table inet sallyport: %w", unix.EPERM), "Operation not permitted"},
		{errors.New("exit code 1: Error: Could not process rule: Operation not permitted"), "Operation not permitted"},
		{errors.New("exit code 1: no such file"), "exit code 1: no such file"},
	} {
		if got := outcome(c.err); got != c.want || refused(c.err) != (c.want == "Operation not permitted") {
			t.Errorf("outcome(%v) = %q, want %q", c.err, got, c.want)
		}
	}
}
