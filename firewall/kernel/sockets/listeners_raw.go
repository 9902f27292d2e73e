package sockets

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

const (
	procRoot = "/proc"
	// procNet is the network namespace of the calling thread; /proc/net is that of the process's first.
	procNet = procRoot + "/thread-self/net/"
	// procFile bounds what is read of a list in it, in bytes: a line has some 150.
	procFile = maxListeners * 200
)

// hasProtocol says whether the kernel has a protocol; where that cannot be read, it has.
func hasProtocol(name string) bool {
	file, err := os.Open(procNet + "protocols")
	if err != nil {
		return true
	}
	defer func() { _ = file.Close() }() // only read
	lines := bufio.NewScanner(io.LimitReader(file, procFile))
	for lines.Scan() {
		if first, _, _ := strings.Cut(lines.Text(), " "); first == name {
			return true
		}
	}
	return lines.Err() != nil
}

// rawSockets lists the raw IP sockets, from /proc: many kernels have no raw_diag.
func rawSockets() ([]Listener, error) {
	var all []Listener
	for _, name := range []string{"raw", "raw6"} {
		file, err := os.Open(procNet + name)
		if errors.Is(err, fs.ErrNotExist) {
			continue // a kernel without IPv6
		}
		if err != nil {
			return nil, err
		}
		list, err := parseRawSockets(io.LimitReader(file, procFile))
		_ = file.Close() // only read
		if err != nil {
			return nil, err
		}
		all = append(all, list...)
	}
	return all, nil
}

// parseRawSockets reads /proc/net/raw or raw6 (net/ipv4/raw.c, raw_sock_seq_show): a headline, then a line for each socket
// with its number, its local and remote address and port in hexadecimal, the port being the protocol; the user is the
// eighth field, the inode the tenth.
func parseRawSockets(r io.Reader) ([]Listener, error) {
	lines := bufio.NewScanner(r)
	lines.Scan() // the headline
	var all []Listener
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 10 {
			return nil, fmt.Errorf("a raw socket in %d fields", len(fields))
		}
		local, port, found := strings.Cut(fields[1], ":")
		address, err := procAddress(local)
		protocol, portErr := strconv.ParseUint(port, 16, 16)
		uid, uidErr := strconv.ParseUint(fields[7], 10, 32)
		inode, inodeErr := strconv.ParseUint(fields[9], 10, 32)
		if err := errors.Join(err, portErr, uidErr, inodeErr); err != nil || !found {
			return nil, fmt.Errorf("a raw socket at %q: %w", fields[1], err)
		}
		all = append(all, Listener{
			Transport: Raw, Address: address, Port: uint16(protocol), UID: uint32(uid), Inode: uint32(inode),
		})
	}
	return all, lines.Err()
}

// procAddress reads an address as /proc writes it: each four bytes as a number in the host's order.
func procAddress(text string) (netip.Addr, error) {
	b, err := hex.DecodeString(text)
	if err != nil {
		return netip.Addr{}, err
	}
	for i := 0; i+4 <= len(b); i += 4 {
		binary.NativeEndian.PutUint32(b[i:], binary.BigEndian.Uint32(b[i:]))
	}
	address, ok := netip.AddrFromSlice(b)
	if !ok {
		return netip.Addr{}, fmt.Errorf("an address of %d bytes", len(b))
	}
	return address.Unmap(), nil
}
