package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Node is one machine of the lab: a network namespace and a mount namespace, both held by one thread and gone with it.
type Node struct {
	Name string
	IPv4 netip.Addr // with IPv6 the zero value for the switch, which has no address
	IPv6 netip.Addr

	calls   chan func() // what is to be done on the node's thread
	ended   chan struct{}
	network *os.File        // the network namespace
	links   *netlink.Handle // rtnetlink sockets made in the namespace
	thread  string          // PID/task/TID as the machine's /proc has it

	mu        sync.Mutex
	processes []*Process
}

// newNode makes the namespaces. files are put over files of the same path, seen by the node's processes only.
func newNode(name string, ipv4, ipv6 netip.Addr, files map[string]string) (*Node, error) {
	n := &Node{Name: name, IPv4: ipv4, IPv6: ipv6, calls: make(chan func()), ended: make(chan struct{})}
	made := make(chan error, 1)
	onThread(func() {
		defer close(n.ended)
		err := n.make(files)
		made <- err
		if err != nil {
			return
		}
		for call := range n.calls {
			call()
		}
	})
	if err := <-made; err != nil {
		return nil, fmt.Errorf("namespace %s: %w", name, err)
	}
	return n, nil
}

// make turns the calling thread into the one that holds the node.
func (n *Node) make(files map[string]string) (err error) {
	if err := unix.Unshare(unix.CLONE_NEWNET | unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("unshare: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("keeping mounts private: %w", err)
	}
	self, err := os.Readlink(outsideProc() + "/thread-self")
	if err != nil {
		return err
	}
	n.thread = self
	if n.network, err = os.Open("/proc/thread-self/ns/net"); err != nil {
		return err
	}
	for path, source := range files {
		if err := unix.Mount(source, path, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("putting %s in place (it must exist on the machine): %w", path, err)
		}
	}
	if n.links, err = netlink.NewHandle(unix.NETLINK_ROUTE); err != nil {
		return fmt.Errorf("rtnetlink: %w", err)
	}
	lo, err := n.links.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("loopback: %w", err)
	}
	return n.links.LinkSetUp(lo)
}

// close ends the node's processes and lets its namespaces go.
func (n *Node) close() error {
	err := n.stopAll()
	close(n.calls)
	<-n.ended
	n.links.Close()
	return errors.Join(err, n.network.Close())
}

// stopAll ends the node's processes, the youngest first.
func (n *Node) stopAll() error {
	n.mu.Lock()
	processes := slices.Clone(n.processes)
	n.processes = nil
	n.mu.Unlock()
	var errs []error
	for _, p := range slices.Backward(processes) {
		errs = append(errs, p.Stop())
	}
	return errors.Join(errs...)
}

// Addresses are the node's addresses, IPv4 first.
func (n *Node) Addresses() []netip.Addr { return []netip.Addr{n.IPv4, n.IPv6} }

// Address is host:port of the node in the family that ip4 or ip6 names.
func (n *Node) Address(family string, port uint16) string {
	if family == "ip6" {
		return netip.AddrPortFrom(n.IPv6, port).String()
	}
	return netip.AddrPortFrom(n.IPv4, port).String()
}

// Enter is the command that runs another command in the node, from outside the lab, as root or as the lab's user. It ends
// when the lab does, for it is in the lab's PID namespace too.
func (n *Node) Enter(command ...string) string {
	user := ""
	if mapped() {
		user = " -U --preserve-credentials"
	}
	return fmt.Sprintf("nsenter -t %s%s -m -n -p -- %s", filepath.Base(n.thread), user, strings.Join(command, " "))
}

// mapped says whether this is a user namespace with a mapping of its own, not the machine's first one.
func mapped() bool {
	raw, err := os.ReadFile("/proc/self/uid_map")
	return err == nil && !slices.Equal(strings.Fields(string(raw)), []string{"0", "0", "4294967295"})
}

// held runs f on the thread that holds the node, so that what f forks lives in its namespaces. f must be short.
func (n *Node) held(f func() error) error {
	result := make(chan error, 1)
	n.calls <- func() { result <- f() }
	return <-result
}

// Inside runs f on a thread in the node's network namespace. f may take its time; goroutines that it starts are outside.
func (n *Node) Inside(f func() error) error {
	result := make(chan error, 1)
	onThread(func() {
		if err := unix.Setns(int(n.network.Fd()), unix.CLONE_NEWNET); err != nil {
			result <- fmt.Errorf("entering namespace %s: %w", n.Name, err)
			return
		}
		result <- f()
	})
	return <-result
}

// Dial connects from the node. The address must be a literal one: a name would be resolved outside.
func (n *Node) Dial(ctx context.Context, network, address string) (conn net.Conn, err error) {
	err = n.Inside(func() error {
		dialer := net.Dialer{}
		dialer.SetMultipathTCP(false)
		conn, err = dialer.DialContext(ctx, network, address)
		return err
	})
	return conn, err
}

// Listen listens for TCP on a port of the node, on every address.
func (n *Node) Listen(ctx context.Context, port uint16) (listener net.Listener, err error) {
	err = n.Inside(func() error {
		listener, err = (&net.ListenConfig{}).Listen(ctx, "tcp", fmt.Sprintf(":%d", port))
		return err
	})
	return listener, err
}

// ListenPacket listens for UDP on a port of the node, on every address.
func (n *Node) ListenPacket(ctx context.Context, port uint16) (conn net.PacketConn, err error) {
	err = n.Inside(func() error {
		conn, err = (&net.ListenConfig{}).ListenPacket(ctx, "udp", fmt.Sprintf(":%d", port))
		return err
	})
	return conn, err
}
