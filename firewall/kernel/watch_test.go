package kernel

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"

	"sallyport/firewall"
)

// followed follows in the background until the test ends, and passes on what it hears.
func followed(t *testing.T, follow func(context.Context, func(Change)) error) <-chan Change {
	t.Helper()
	heard := make(chan Change, 10_000)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- follow(ctx, func(c Change) { heard <- c }) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("follow: %v", err)
			}
		case <-time.After(5 * time.Second):
			t.Error("follow goes on after its context")
		}
	})
	return heard
}

func nextChange(t *testing.T, heard <-chan Change) Change {
	t.Helper()
	select {
	case c := <-heard:
		return c
	case <-time.After(5 * time.Second):
		t.Fatal("no change is told of")
		return Change{}
	}
}

// TestWatchTellsOfEachCommit holds that one commit is one change, whatever it holds and whoever made it, and that its
// number is that of a dump.
func TestWatchTellsOfEachCommit(t *testing.T) {
	newNamespace(t)
	live := open4Test(t)
	rules, err := firewall.Compile(firewall.Policy{Ping: true, Management: []firewall.Exception{{
		Name: "ssh", Ports: []firewall.Ports{{Protocol: firewall.TCP, First: 22, Last: 22}},
		From: []netip.Prefix{netip.MustParsePrefix("10.20.0.0/24")},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	follow, err := live.Watch()
	if err != nil {
		t.Fatal(err)
	}
	runNft(t, "add table ip early; add chain ip early one; add chain ip early two", "-f", "-") // before anybody follows
	heard := followed(t, follow)
	var last uint32
	expect := func(command string) {
		t.Helper()
		c := nextChange(t, heard)
		if c.Command != command || c.Thread == 0 || c.Generation == 0 || (last != 0 && c.Generation != last+1) {
			t.Errorf("%+v after generation %d, want one by %q", c, last, command)
		}
		last = c.Generation
	}
	expect("nft")
	if _, err := live.Dump(t.Context()); !errors.Is(err, ErrNoTable) {
		t.Fatal(err)
	}
	if d, _ := live.Dump(t.Context()); d.Generation() != last {
		t.Errorf("without a table: generation %d, told of %d", d.Generation(), last)
	}
	if err := live.Apply(t.Context(), rules); err != nil {
		t.Fatal(err)
	}
	expect(threadName(t))
	if d, err := live.Dump(t.Context()); err != nil || d.Generation() != last {
		t.Errorf("generation %d, told of %d: %v", d.Generation(), last, err)
	}
	runNft(t, "flush ruleset", "-f", "-")
	expect("nft")
	select {
	case c := <-heard:
		t.Errorf("something that was no commit: %+v", c)
	default:
	}
}

// threadName is what the kernel calls the calling thread.
func threadName(t *testing.T) string {
	t.Helper()
	name, err := os.ReadFile("/proc/thread-self/comm")
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(string(name), "\n")
}

// TestWatchGoesOnAfterAnOverrun lets more commits happen than the buffer holds, with nobody reading.
func TestWatchGoesOnAfterAnOverrun(t *testing.T) {
	newNamespace(t)
	conn, err := listenForCommits(1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() }) // after whoever follows has ended
	const commits = 50
	for range commits {
		runNft(t, "add table ip other; delete table ip other", "-f", "-")
	}
	heard := followed(t, func(ctx context.Context, changed func(Change)) error { return followOn(ctx, conn, changed) })
	told := 0
	for nextChange(t, heard) != (Change{}) {
		if told++; told == commits {
			t.Fatal("nothing was left out: the buffer is too large for this test")
		}
	}
	runNft(t, "add table ip after", "-f", "-")
	last := generationNow(t)
	for nextChange(t, heard).Generation != last {
	}
}

func generationNow(t *testing.T) uint32 {
	t.Helper()
	d, err := open4Test(t).Dump(t.Context())
	if !errors.Is(err, ErrNoTable) {
		t.Fatal(err)
	}
	return d.Generation()
}

// TestWatchHoldsAThousandCommits holds that a burst does not overrun the buffer while the reader is held up.
func TestWatchHoldsAThousandCommits(t *testing.T) {
	newNamespace(t)
	live := open4Test(t)
	follow, err := live.Watch()
	if err != nil {
		t.Fatal(err)
	}
	const commits = 1000
	other := &nftables.Table{Family: nftables.TableFamilyIPv4, Name: "other"}
	for range commits / 2 {
		live.nft.AddTable(other)
		if err := live.nft.Flush(); err != nil {
			t.Fatal(err)
		}
		live.nft.DelTable(other)
		if err := live.nft.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	heard := followed(t, follow)
	for i := range commits {
		if c := nextChange(t, heard); c == (Change{}) {
			t.Fatalf("overrun after %d commits", i)
		}
	}
}

// TestWatchNeedsOneCapability holds that CAP_NET_ADMIN is enough, and that its lack is told as such.
func TestWatchNeedsOneCapability(t *testing.T) {
	newNamespace(t)
	runtime.LockOSThread() // never unlocked: the thread loses its capabilities for good
	keep := func(mask uint32) {
		t.Helper()
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		data := [2]unix.CapUserData{{Effective: mask, Permitted: mask}}
		if err := unix.Capset(&header, &data[0]); err != nil {
			t.Fatal(err)
		}
	}
	keep(1 << unix.CAP_NET_ADMIN)
	conn, err := listenForCommits(watchBuffer)
	if err != nil {
		t.Fatalf("with CAP_NET_ADMIN alone: %v", err)
	}
	defer func() { _ = conn.Close() }()
	if size, err := conn.ReadBuffer(); err != nil || size < watchBuffer {
		t.Errorf("a buffer of %d bytes, want %d: %v", size, watchBuffer, err)
	}
	keep(0)
	if _, err := new(Conn).Watch(); !errors.Is(err, ErrNotPermitted) {
		t.Errorf("without any: %v", err)
	}
}

// TestWatchEndsWithItsSocket holds that what cannot go on says so, and does not spin.
func TestWatchEndsWithItsSocket(t *testing.T) {
	newNamespace(t)
	conn, err := listenForCommits(watchBuffer)
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	if err := followOn(t.Context(), conn, func(Change) {}); err == nil {
		t.Error("a closed socket is followed")
	}
}

func TestDecodeChange(t *testing.T) {
	generation := []byte{8, 0, 1, 0, 0, 0, 1, 2}
	for name, test := range map[string]struct {
		kind uint16
		data []byte
		want Change
	}{
		"nothing":        {newGeneration, nil, Change{}},
		"another type":   {newGeneration - 1, append([]byte{0, 0, 0, 0}, generation...), Change{}},
		"no generation":  {newGeneration, []byte{0, 0, 0, 0}, Change{}},
		"no author":      {newGeneration, append([]byte{0, 0, 0, 0}, generation...), Change{Generation: 258}},
		"cut attribute":  {newGeneration, append([]byte{0, 0, 0, 0}, generation[:7]...), Change{}},
		"trailing bytes": {newGeneration, append([]byte{0, 0, 0, 0}, append(generation, 1)...), Change{}},
	} {
		if got := decodeChange(test.kind, test.data); got != test.want {
			t.Errorf("%s: %+v, want %+v", name, got, test.want)
		}
	}
}

func FuzzDecodeChange(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 8, 0, 1, 0, 0, 0, 0, 9, 8, 0, 2, 0, 0, 0, 4, 210, 8, 0, 3, 0, 'n', 'f', 't', 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		c := decodeChange(newGeneration, data)
		if len(c.Command) >= commandSize || c.Thread < 0 || (c.Generation == 0 && c != Change{}) {
			t.Errorf("%+v", c)
		}
	})
}
