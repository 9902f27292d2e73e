package hostfacts

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// tables writes a folder as /proc/net has them, recorded from a host with one interface, two default routes and a
// gateway that does not answer.
func tables(t *testing.T, change map[string]string) string {
	t.Helper()
	files := map[string]string{
		"route": "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n" +
			"eth0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n" +
			"eth0\t0000000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n" +
			"*\t0000A8C0\t00000000\t0201\t0\t0\t0\t0000FFFF\t0\t0\t0\n",
		"ipv6_route": "fd770000000000000000000000000000 40 00000000000000000000000000000000 00 " +
			"00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth0\n" +
			"00000000000000000000000000000000 00 00000000000000000000000000000000 00 " +
			"fd770000000000000000000000000001 00000400 00000001 00000000 00000003     eth0\n" +
			"00000000000000000000000000000000 00 00000000000000000000000000000000 00 " +
			"00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo\n",
		"arp": "IP address       HW type     Flags       HW address            Mask     Device\n" +
			"10.0.0.1         0x1         0x0         00:00:00:00:00:00     *        eth0\n" +
			"10.0.0.53        0x1         0x2         02:42:0a:00:00:35     *        eth0\n",
	}
	dir := t.TempDir()
	for name, text := range files {
		if other, ok := change[name]; ok {
			text = other
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestReadTables(t *testing.T) {
	want := Facts{
		Networks: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24"), netip.MustParsePrefix("fd77::/64")},
		Default:  true,
		Gateways: []Gateway{
			{Address: netip.MustParseAddr("10.0.0.1"), Interface: "eth0", Asked: true},
			{Address: netip.MustParseAddr("fd77::1"), Interface: "eth0"},
		},
	}
	got, err := readTables(tables(t, nil))
	if err != nil {
		t.Fatal(err)
	}
	comparable := cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })
	if diff := cmp.Diff(want, got, comparable, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	answers := "10.0.0.1 0x1 0x2 02:00:00:00:00:01 * eth0\n"
	if got, err = readTables(tables(t, map[string]string{"arp": answers})); err != nil || !got.Gateways[0].Answers {
		t.Errorf("a gateway that answers: %+v, %v", got.Gateways, err)
	}
}

func TestReadTablesOfNoHost(t *testing.T) {
	if _, err := readTables(t.TempDir()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without tables: %v", err)
	}
	long := tables(t, map[string]string{"route": strings.Repeat("x", maxFile+1)})
	if _, err := readTables(long); !errors.Is(err, ErrTooMuch) {
		t.Errorf("with an endless table: %v", err)
	}
	dir := tables(t, nil)
	if err := os.Remove(filepath.Join(dir, "ipv6_route")); err != nil {
		t.Fatal(err)
	}
	if got, err := readTables(dir); err != nil || len(got.Gateways) != 1 {
		t.Errorf("without IPv6: %+v, %v", got, err)
	}
}

// FuzzTables: what a kernel might say in years to come is no reason to panic, and the bounds hold.
func FuzzTables(f *testing.F) {
	f.Add("eth0 00000000 0100000A 0003 0 0 0 00000000", "fd77 40 0 0 0 0 0 0 1 eth0", "10.0.0.1 0x1 0x0 x * eth0")
	f.Add("", "", "")
	f.Fuzz(func(t *testing.T, route4, route6, arp string) {
		var facts Facts
		for line := range strings.Lines(route4) {
			facts.takeRoute4(strings.Fields(line))
		}
		for line := range strings.Lines(route6) {
			facts.takeRoute6(strings.Fields(line))
		}
		for line := range strings.Lines(arp) {
			facts.takeNeighbour(strings.Fields(line))
		}
		if len(facts.Networks) > maxNetworks || len(facts.Gateways) > maxInterfaces ||
			slices.ContainsFunc(facts.Networks, func(p netip.Prefix) bool { return !p.IsValid() }) {
			t.Errorf("%+v", facts)
		}
	})
}
