package term

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"sallyport/report/internal/golden"
)

func listeners() (headings []string, rows [][]string) {
	return []string{"PROTO", "LISTENS ON", "PROCESS", "WHO"}, [][]string{
		{"tcp", "*:22", "sshd (812) ssh.service", "ssh-admins: 10.20.0.0/24, 10.30.0.0/24, 2001:db8:20::/64, 3 more"},
		{"tcp", "127.0.0.1:631", "cups\x1b[31md (7)", "this host only"},
		{"udp", "[2001:db8:1234:5678:9abc:def0:1234:5678]:65535", "", "nobody"},
	}
}

func TestTable(t *testing.T) {
	headings, rows := listeners()
	for _, columns := range []int{0, 60, 80, 120} {
		t.Run(fmt.Sprint(columns), func(t *testing.T) {
			var b bytes.Buffer
			if err := Table(&b, "who can reach what listens here", headings, rows, Options{Width: columns}); err != nil {
				t.Fatal(err)
			}
			golden.Compare(t, fmt.Sprintf("table-%d.txt", columns), b.String())
			golden.Shown(t, b.String())
		})
	}
}

func TestTableOntoAFullDisk(t *testing.T) {
	headings, rows := listeners()
	if err := Table(full{}, "", headings, rows, Options{}); !errors.Is(err, errFull) {
		t.Errorf("got %v, want %v", err, errFull)
	}
}
