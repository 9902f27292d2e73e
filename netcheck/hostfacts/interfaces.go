package hostfacts

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// scopeLink is the scope of a link-local address in if_inet6 (IPV6_ADDR_LINKLOCAL, include/net/ipv6.h).
const scopeLink = "20"

// readInterfaces reads the names from /proc/net/dev, IPv6's addresses from if_inet6, and the rest by ioctl (netdevice(7)).
func (f *Facts) readInterfaces(folder string) error {
	lines, err := readLines(filepath.Join(folder, "dev"))
	if err != nil {
		return err
	}
	addresses, err := countAddresses6(folder)
	if err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("network of this host: a socket to ask for interfaces: %w", err)
	}
	defer func() { _ = unix.Close(fd) }()
	for _, line := range lines {
		name, _, ok := strings.Cut(strings.TrimSpace(line), ":")
		if !ok || name == "lo" || len(f.Interfaces) == maxInterfaces {
			continue
		}
		if one, ok := ask(fd, name); ok {
			one.Addresses += addresses[name]
			f.Interfaces = append(f.Interfaces, one)
		}
	}
	return nil
}

// ask is an interface's state; ok is false for one that is gone meanwhile.
func ask(fd int, name string) (one Interface, ok bool) {
	request, err := unix.NewIfreq(name)
	if err != nil || unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, request) != nil {
		return Interface{}, false
	}
	flags := request.Uint16()
	one = Interface{Name: name, Up: flags&unix.IFF_UP != 0, Running: flags&unix.IFF_RUNNING != 0}
	if request, err = unix.NewIfreq(name); err == nil && unix.IoctlIfreq(fd, unix.SIOCGIFADDR, request) == nil {
		one.Addresses = 1
	}
	return one, true
}

// countAddresses6 reads if_inet6: address, index, length, scope, flags, interface (net/ipv6/addrconf.c, if6_seq_show).
func countAddresses6(folder string) (map[string]int, error) {
	lines, err := readLines(filepath.Join(folder, "if_inet6"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	count := map[string]int{}
	for _, line := range lines {
		if fields := strings.Fields(line); len(fields) == 6 && fields[3] != scopeLink {
			count[fields[5]]++
		}
	}
	return count, nil
}
