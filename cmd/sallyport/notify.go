package main

import (
	"fmt"
	"net"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// notifier tells a service manager how this process stands (sd_notify(3)). Where none asked, it tells nobody.
type notifier struct {
	socket string

	mu    sync.Mutex
	told  bool // that it is ready
	muted bool
}

func newNotifier() *notifier { return &notifier{socket: os.Getenv("NOTIFY_SOCKET")} }

// mute has it never say that this process is ready.
func (n *notifier) mute() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.muted = true
}

// ready says so, once.
func (n *notifier) ready() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.told || n.muted {
		return
	}
	n.told = true
	n.send("READY=1")
}

// reloading says that a reload has begun, and by what it returns that it is done.
func (n *notifier) reloading() (done func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.told {
		return func() {}
	}
	var now unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) // it cannot fail with this clock
	n.send(fmt.Sprintf("RELOADING=1\nMONOTONIC_USEC=%d", now.Nano()/1000))
	return func() { n.send("READY=1") }
}

func (n *notifier) stopping() { n.send("STOPPING=1") }

// send sends one state. A service manager that does not listen is no trouble of ours.
func (n *notifier) send(state string) {
	if n.socket == "" {
		return
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: n.socket, Net: "unixgram"})
	if err != nil {
		return
	}
	_, _ = conn.Write([]byte(state))
	_ = conn.Close()
}
