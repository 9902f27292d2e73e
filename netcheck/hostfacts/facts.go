package hostfacts

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
)

// Facts is what the host knows of its network.
type Facts struct {
	Interfaces []Interface    // other than the loopback, at most maxInterfaces
	Networks   []netip.Prefix // that are on a link, at most maxNetworks
	Default    bool           // there is a default route, by a gateway or without one
	Gateways   []Gateway      // of the default routes, IPv4 first
}

// Interface is a network interface.
type Interface struct {
	Name      string
	Up        bool // IFF_UP
	Running   bool // IFF_RUNNING: and it has a carrier
	Addresses int  // IPv4's first, and those of IPv6 that are not link-local
}

// Gateway is one that a default route leads to.
type Gateway struct {
	Address   netip.Addr
	Interface string
	Asked     bool // IPv4 only: its link-layer address was asked for lately
	Answers   bool // and is known. One that has fallen silent is taken to answer until the kernel asks again
}

// Bounds on what is read: a router with more is no host that this package is for, and gets an error.
const (
	maxFile       = 1 << 20
	maxInterfaces = 64
	maxNetworks   = 512
)

// folder is what this thread's network namespace shows of itself.
const folder = "/proc/thread-self/net"

// ErrTooMuch says that a table is longer than what is read of it.
var ErrTooMuch = errors.New("the table is too long to be read whole")

// Read reads the facts of the calling thread's network namespace. IPv4's main routing table is the one that is read: /proc
// shows no other. A host without IPv6 has no tables for it, which is no error.
func Read() (Facts, error) {
	facts, err := readTables(folder)
	if err != nil {
		return Facts{}, err
	}
	return facts, facts.readInterfaces(folder)
}

func readTables(folder string) (Facts, error) {
	var f Facts
	tables := []struct {
		name     string
		optional bool
		take     func(fields []string)
	}{
		{"route", false, f.takeRoute4},
		{"ipv6_route", true, f.takeRoute6},
		{"arp", false, f.takeNeighbour},
	}
	for _, t := range tables {
		lines, err := readLines(filepath.Join(folder, t.name))
		if t.optional && errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return Facts{}, err
		}
		for _, line := range lines {
			t.take(strings.Fields(line))
		}
	}
	return f, nil
}

func readLines(path string) ([]string, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("network of this host: %w", err)
	}
	defer func() { _ = file.Close() }()
	data, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = ErrTooMuch
	}
	if err != nil {
		return nil, fmt.Errorf("network of this host: %s: %w", path, err)
	}
	return strings.Split(string(data), "\n"), nil
}
