package netcheck

import (
	"net/netip"
	"sync"
	"time"

	"sallyport/netcheck/directory"
)

const (
	// rootDSEKept is for how long a rootDSE is taken as read: what a directory can do, and how far its clock is off, do
	// not change by the minute, and a question more for each run is a third of what a run costs.
	rootDSEKept = 5 * time.Minute
	// maxDirectories bounds the addresses that are remembered.
	maxDirectories = 64
)

// directories remembers, between the runs of one check, what the directories said of themselves. It is safe for
// concurrent use.
type directories struct {
	mu    sync.Mutex
	known map[netip.AddrPort]*directory.RootDSE // never changed once it is kept
}

// of is what the directory at an address has said, not too long ago; nil where it must be asked.
func (d *directories) of(address netip.AddrPort) *directory.RootDSE {
	d.mu.Lock()
	defer d.mu.Unlock()
	root := d.known[address]
	if root == nil || time.Since(root.Read) >= rootDSEKept {
		return nil
	}
	return root
}

// keep remembers what a directory said.
func (d *directories) keep(address netip.AddrPort, root *directory.RootDSE) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.known == nil || len(d.known) >= maxDirectories {
		d.known = map[netip.AddrPort]*directory.RootDSE{}
	}
	d.known[address] = root
}

// forget has the directory asked again: after anything that went wrong, evidence is to be fresh.
func (d *directories) forget(address netip.AddrPort) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.known, address)
}
