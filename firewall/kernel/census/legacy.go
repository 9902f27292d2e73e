package census

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// legacyFamily is what differs between iptables and ip6tables.
type legacyFamily struct {
	name     string // as nft names the family
	number   byte
	domain   int    // of a socket of that family
	level    int    // of its socket options
	names    string // where the kernel lists the tables that are there
	layout   legacyLayout
	getInfo  int
	getEntry int
}

// Socket options of linux/netfilter_ipv4/ip_tables.h and its IPv6 twin: the same numbers.
const (
	soGetInfo    = 64
	soGetEntries = 65
)

func legacyFamilies() []legacyFamily {
	return []legacyFamily{
		{
			name: "ip", number: unix.NFPROTO_IPV4, domain: unix.AF_INET, level: unix.SOL_IP,
			names: "/proc/thread-self/net/ip_tables_names", layout: layout4(), getInfo: soGetInfo, getEntry: soGetEntries,
		},
		{
			name: "ip6", number: unix.NFPROTO_IPV6, domain: unix.AF_INET6, level: unix.SOL_IPV6,
			names: "/proc/thread-self/net/ip6_tables_names", layout: layout6(), getInfo: soGetInfo, getEntry: soGetEntries,
		},
	}
}

// legacy reads the tables of legacy iptables. Asking for a table that is not there would make it (xt_find_table_lock), and
// hook it in: only those that the kernel lists are asked for.
func (c *Census) legacy() {
	for _, f := range legacyFamilies() {
		names, err := tableNames(f.names)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue // the kernel has no such iptables, or has not loaded it
		case err != nil:
			c.Gap("legacy iptables of the family %s: whether it has rules cannot be told: %v", f.name, err)
			continue
		}
		for _, name := range names {
			table, err := readLegacy(f, name)
			if err != nil {
				c.Gap("the table %s of legacy iptables of the family %s: %v", Visible(name), f.name, err)
				continue
			}
			c.Tables = append(c.Tables, table)
		}
	}
}

func tableNames(path string) ([]string, error) {
	const most = 4 << 10
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // only read
	text, err := io.ReadAll(io.LimitReader(file, most))
	return strings.Fields(string(text)), err
}

// readLegacy reads one table, at most 16 MiB of it.
func readLegacy(f legacyFamily, name string) (Table, error) {
	const most = 16 << 20
	fd, err := unix.Socket(f.domain, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return Table{}, fmt.Errorf("open a socket to ask by: %w", err)
	}
	defer func() { _ = unix.Close(fd) }()
	info, err := legacyInfo(fd, f, name)
	if err != nil {
		return Table{}, err
	}
	if info.size > most {
		return Table{}, fmt.Errorf("it is too large to be read: %d bytes", info.size)
	}
	entries, err := legacyEntries(fd, f, name, info.size)
	if err != nil {
		return Table{}, err
	}
	return decodeLegacy(f.number, name, f.layout, info, entries)
}

// legacyTableName is XT_TABLE_MAXNAMELEN.
const legacyTableName = 32

// legacyInfo asks for struct ipt_getinfo.
func legacyInfo(fd int, f legacyFamily, name string) (legacyTable, error) {
	question := make([]byte, legacyInfoSize)
	copy(question[:legacyTableName-1], name)
	if err := askOption(fd, f.level, f.getInfo, question); err != nil {
		return legacyTable{}, err
	}
	return decodeLegacyInfo(question)
}

// legacyEntries asks for struct ipt_get_entries. Where the table was changed since its size was told, that is EAGAIN.
func legacyEntries(fd int, f legacyFamily, name string, size uint32) ([]byte, error) {
	const head = 40 // name, size, padding
	question := make([]byte, head+int(size))
	copy(question[:legacyTableName-1], name)
	putNative32(question[legacyTableName:], size)
	if err := askOption(fd, f.level, f.getEntry, question); err != nil {
		return nil, err
	}
	return question[head:], nil
}
