package sockets

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

const (
	maxProcesses   = 1 << 16 // looked at; a kernel has at most 1<<22 (PID_MAX_LIMIT)
	maxDescriptors = 1 << 20 // looked at in all
	processFile    = 4 << 10 // read of each file of a process, in bytes
)

// Process is who holds a socket. Its texts are as the process chose them: not to be trusted.
type Process struct {
	PID    int // the lowest that holds it; 0: none was seen
	Name   string
	Exe    string // the path of the program; empty where it may not be read
	Unit   string // the systemd unit; empty: none
	Others int    // how many other processes hold the same socket
}

// addProcesses looks up which process holds each socket, by the descriptors of all. It says whether some were hidden from
// us that may hold a socket of which no holder was seen.
func addProcesses(ctx context.Context, proc string, sockets []Listener) (hidden bool) {
	wanted := make(map[uint32][]*Process)
	for i := range sockets {
		if inode := sockets[i].Inode; inode != 0 {
			wanted[inode] = append(wanted[inode], &sockets[i].Process)
		}
	}
	refused := false
	budget := maxDescriptors
	for _, pid := range processIDs(proc) {
		if ctx.Err() != nil || budget <= 0 {
			refused = true
			break
		}
		inodes, err := socketsOf(proc, pid, &budget)
		refused = refused || errors.Is(err, fs.ErrPermission)
		for _, inode := range inodes {
			for _, p := range wanted[inode] {
				p.heldBy(proc, pid)
			}
		}
	}
	return refused && slices.ContainsFunc(sockets, func(l Listener) bool { return l.Process.PID == 0 })
}

// heldBy adds a holder. Processes come in ascending order, so that the first is the one that began it, mostly.
func (p *Process) heldBy(proc string, pid int) {
	if p.PID != 0 {
		p.Others++
		return
	}
	dir := filepath.Join(proc, strconv.Itoa(pid))
	exe, err := os.Readlink(filepath.Join(dir, "exe"))
	if err != nil {
		exe = "" // a thread of the kernel has none
	}
	*p = Process{
		PID: pid, Name: strings.TrimSuffix(readProcess(dir, "comm"), "\n"),
		Exe: exe, Unit: UnitOf(readProcess(dir, "cgroup")),
	}
}

// readProcess is the beginning of a file of a process, and nothing where it cannot be read.
func readProcess(dir, name string) string {
	text, err := limitedFile(filepath.Join(dir, name), processFile)
	if err != nil {
		return "" // not ours to read, or the process ended in between
	}
	return string(text)
}

// processIDs is the processes that there are, in ascending order.
func processIDs(proc string) []int {
	names := namesIn(proc, maxProcesses)
	pids := make([]int, 0, len(names))
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil && pid > 0 {
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	return pids
}

func namesIn(dir string, limit int) []string {
	file, err := os.Open(dir)
	if err != nil {
		return nil
	}
	defer func() { _ = file.Close() }() // only read
	names, err := file.Readdirnames(limit)
	if err != nil {
		return nil
	}
	return names
}

// socketsOf is the inodes of the sockets that a process holds, each once. The error says whether we may not look.
func socketsOf(proc string, pid int, budget *int) ([]uint32, error) {
	dir := filepath.Join(proc, strconv.Itoa(pid), "fd")
	file, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	names, err := file.Readdirnames(max(*budget, 1))
	_ = file.Close() // only read
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	*budget -= len(names)
	var inodes []uint32
	for _, name := range names {
		// socket:[12345] (proc_pid_fd(5))
		link, err := os.Readlink(filepath.Join(dir, name))
		if err != nil {
			continue // closed in between
		}
		number, ok := strings.CutPrefix(link, "socket:[")
		if !ok {
			continue
		}
		if inode, err := strconv.ParseUint(strings.TrimSuffix(number, "]"), 10, 32); err == nil {
			inodes = append(inodes, uint32(inode))
		}
	}
	slices.Sort(inodes)
	return slices.Compact(inodes), nil
}
