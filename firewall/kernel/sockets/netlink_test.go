package sockets

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const netlinkText = `sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode
000000000d6e1b0a 0   4012       00000440 0        0        0     2        0        1111
0000000008e4a4a7 12  4012       00000000 0        0        0     2        0        2222
00000000a40bf1a4 12  4294963199 00000000 0        0        0     2        0        3333
`

func TestNetlinkInode(t *testing.T) {
	for port, want := range map[uint32]uint64{4012: 2222, 4294963199: 3333, 7: 0} {
		if got := netlinkInode([]byte(netlinkText), port); got != want {
			t.Errorf("port %d: inode %d, want %d", port, got, want)
		}
	}
}

// TestPortHolder holds what is told where less can be seen.
func TestPortHolder(t *testing.T) {
	proc := t.TempDir()
	for name, text := range map[string]string{
		"thread-self/net/netlink": netlinkText, "4012/comm": "a\x1b[2J\n", "77/comm": "guard\n",
	} {
		file := filepath.Join(proc, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	fds := filepath.Join(proc, "77", "fd")
	if err := errors.Join(os.Mkdir(fds, 0o700), os.Symlink("socket:[3333]", filepath.Join(fds, "3"))); err != nil {
		t.Fatal(err)
	}
	for port, want := range map[uint32]string{
		4294963199: `"guard" (pid 77)`,
		4012:       `perhaps "a\x1b[2J" (pid 4012, after which its netlink port is named)`,
		9:          "netlink port 9, of a process that cannot be told",
	} {
		if got := portHolder(proc, port); got != want {
			t.Errorf("port %d: %s, want %s", port, got, want)
		}
	}
}

func FuzzNetlinkInode(f *testing.F) {
	f.Add([]byte(netlinkText), uint32(4012))
	f.Add([]byte("a 12 4012 b c d e f g 99999999999999999999\n"), uint32(4012))
	f.Fuzz(func(t *testing.T, text []byte, port uint32) {
		if inode := netlinkInode(text, port); inode != 0 && !strings.Contains(string(text), fmt.Sprint(inode)) {
			t.Errorf("inode %d is not in the text", inode)
		}
	})
}
