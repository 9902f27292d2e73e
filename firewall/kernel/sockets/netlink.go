package sockets

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	// netlinkRead is how much of the list of netlink sockets is read: some ten thousand of them.
	netlinkRead = 1 << 20
	// holderFiles bounds the descriptors that are looked at for the owner of a socket.
	holderFiles = 100_000
)

// PortHolder names the process that has the netlink socket of nftables with a port, in printable ASCII. Without the right
// to look at others' descriptors (root, or CAP_SYS_PTRACE) it is the process that the port is named after, which is what
// the kernel does for the first socket of one (netlink_autobind).
func PortHolder(port uint32) string { return portHolder(procRoot, port) }

// portHolder is PortHolder by the proc that is given.
func portHolder(proc string, port uint32) string {
	list, err := limitedFile(proc+"/thread-self/net/netlink", netlinkRead)
	if err == nil {
		if inode := netlinkInode(list, port); inode != 0 {
			if pid := socketHolder(proc, inode); pid != "" {
				return processName(proc, pid)
			}
		}
	}
	if name, err := limitedFile(fmt.Sprintf("%s/%d/comm", proc, port), 64); err == nil {
		return fmt.Sprintf("perhaps %s (pid %d, after which its netlink port is named)",
			strconv.QuoteToASCII(strings.TrimSpace(string(name))), port)
	}
	return fmt.Sprintf("netlink port %d, of a process that cannot be told", port)
}

func processName(proc, pid string) string {
	name, err := limitedFile(proc+"/"+pid+"/comm", 64)
	if err != nil {
		return "pid " + pid
	}
	return fmt.Sprintf("%s (pid %s)", strconv.QuoteToASCII(strings.TrimSpace(string(name))), pid)
}

// netlinkInode finds the socket of the protocol netfilter with a port in the text of /proc/net/netlink
// (netlink_seq_show, kernel 6.18); 0 where there is none.
func netlinkInode(list []byte, port uint32) uint64 {
	const protocol, portID, inode = 1, 2, 9 // columns
	for line := range bytes.Lines(list) {
		columns := strings.Fields(string(line))
		if len(columns) <= inode || columns[protocol] != strconv.Itoa(unix.NETLINK_NETFILTER) ||
			columns[portID] != strconv.FormatUint(uint64(port), 10) {
			continue
		}
		number, err := strconv.ParseUint(columns[inode], 10, 64)
		if err != nil {
			return 0
		}
		return number
	}
	return 0
}

// socketHolder is the process that has a descriptor of a socket open, empty where none is seen to.
func socketHolder(proc string, inode uint64) string {
	want := fmt.Sprintf("socket:[%d]", inode)
	processes, err := filepath.Glob(proc + "/[0-9]*")
	if err != nil {
		return ""
	}
	looked := 0
	for _, dir := range processes {
		files, err := os.ReadDir(dir + "/fd")
		if err != nil {
			continue // gone, or not ours to look at
		}
		for _, f := range files {
			if looked++; looked > holderFiles {
				return ""
			}
			if target, err := os.Readlink(dir + "/fd/" + f.Name()); err == nil && target == want {
				return filepath.Base(dir)
			}
		}
	}
	return ""
}

// limitedFile is the beginning of a file of proc, whose size is not known before.
func limitedFile(name string, limit int64) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // only read
	return io.ReadAll(io.LimitReader(file, limit))
}
