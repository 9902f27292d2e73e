package sockets

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// clockTick is the unit of time in proc(5): USER_HZ is 100 on every architecture that Go runs on.
const clockTick = 10 * time.Millisecond

// maxProcLine bounds a line of /proc/net/tcp6, which has some 170 bytes.
const maxProcLine = 512

// ConnectionsFromProc is Connections without netlink, for who may not use it: by /proc/net/tcp and tcp6, which tell less
// (no Info) and cost more, because the kernel writes a line for every socket of the host. At most 65,536 lines of each are
// read; more are ErrTooManyConnections.
func ConnectionsFromProc(uid uint32, ports []uint16) (list []Connection, total int, err error) {
	of := ofUser{uid: uid}
	for _, name := range []string{"tcp", "tcp6"} {
		file, err := os.Open(procNet + name)
		if errors.Is(err, fs.ErrNotExist) && name == "tcp6" {
			continue // a host without IPv6
		}
		if err != nil {
			return nil, 0, fmt.Errorf("sockets: list TCP connections: %w", err)
		}
		err = of.read(file, ports)
		_ = file.Close() // only read
		if err != nil {
			return nil, 0, fmt.Errorf("sockets: list TCP connections: %s: %w", file.Name(), err)
		}
	}
	return of.list, of.total, nil
}

// read takes the lines of one file.
func (of *ofUser) read(from io.Reader, ports []uint16) error {
	lines := bufio.NewScanner(from)
	lines.Buffer(make([]byte, 0, 4096), maxProcLine)
	for read := 0; lines.Scan(); read++ {
		if read == 0 {
			continue // the heading
		}
		if read > maxSockets {
			return ErrTooManyConnections
		}
		c, uid, err := parseProcLine(lines.Text())
		if err != nil {
			return err
		}
		if uid != of.uid || !slices.Contains(ports, c.Remote.Port()) || connectedStates>>c.State&1 == 0 {
			continue
		}
		if of.total++; of.total <= maxConnections {
			of.list = append(of.list, c)
		}
	}
	return lines.Err()
}

// parseProcLine reads a line as get_tcp4_sock writes it (kernel 6.18): number, local and remote address, state, both queues,
// the timer and when it runs out, retransmissions, user, probes, inode, references, the socket's place in memory, RTO.
func parseProcLine(line string) (c Connection, uid uint32, err error) {
	const local, remote, state, queues, timer, retransmits, user, probes, inode, rto = 1, 2, 3, 4, 5, 6, 7, 8, 9, 12
	fields := strings.Fields(line)
	if len(fields) <= inode {
		return c, 0, fmt.Errorf("%w: a line of %d words", errMalformed, len(fields))
	}
	number := func(text string, base, bits int) uint64 {
		n, wrong := strconv.ParseUint(text, base, bits)
		if wrong != nil && err == nil {
			err = fmt.Errorf("%w: %w", errMalformed, wrong)
		}
		return n
	}
	c.Local, err = procEnd(fields[local])
	if err == nil {
		c.Remote, err = procEnd(fields[remote])
	}
	c.State = State(number(fields[state], 16, 8))
	sent, received, _ := strings.Cut(fields[queues], ":")
	c.SendQueue, c.ReceiveQueue = uint32(number(sent, 16, 32)), uint32(number(received, 16, 32))
	kind, when, _ := strings.Cut(fields[timer], ":")
	c.Timer, c.Expires = Timer(number(kind, 16, 8)), ticks(number(when, 16, 64))
	c.Retransmits = int(number(fields[retransmits], 16, 32))
	uid = uint32(number(fields[user], 10, 32))
	if c.Timer == TimerProbe {
		c.Retransmits = int(number(fields[probes], 10, 32))
	}
	c.ID = number(fields[inode], 10, 64)
	if len(fields) > rto {
		c.RTO = ticks(number(fields[rto], 10, 64))
	}
	return c, uid, err
}

// ticks is a time of proc(5), of an hour at most: what is no timer that runs has any number there.
func ticks(n uint64) time.Duration { return time.Duration(min(n, 360_000)) * clockTick }

// procEnd reads an address and a port.
func procEnd(text string) (netip.AddrPort, error) {
	host, port, _ := strings.Cut(text, ":")
	address, err := procAddress(host)
	number, wrong := strconv.ParseUint(port, 16, 16)
	if err = errors.Join(err, wrong); err != nil {
		return netip.AddrPort{}, fmt.Errorf("%w: %w", errMalformed, err)
	}
	return netip.AddrPortFrom(address, uint16(number)), nil
}
