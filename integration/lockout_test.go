package integration_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/integration/lab"
)

// shell is an administrator's connection to the host that echoes what is typed.
type shell struct{ net.Conn }

// types types a character and waits for its echo.
func (s shell) types() error {
	if err := s.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return err
	}
	if _, err := s.Write([]byte("x")); err != nil {
		return err
	}
	_, err := s.Read(make([]byte, 1))
	return err
}

// shells connects the admin to a port of the host by IPv4 and IPv6, until the test ends.
func (w world) shells(port uint16) []shell {
	w.t.Helper()
	listener, err := w.Host.Listen(w.t.Context(), port)
	if err != nil {
		w.t.Fatal(err)
	}
	var echoes sync.WaitGroup
	echoes.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			w.t.Cleanup(func() { _ = conn.Close() })
			echoes.Go(func() { _, _ = io.Copy(conn, conn) })
		}
	})
	w.t.Cleanup(echoes.Wait)
	w.t.Cleanup(func() { _ = listener.Close() })
	var shells []shell
	for _, family := range []string{"ip4", "ip6"} {
		conn, err := w.Admin.Dial(within(w.t, 5*time.Second), "tcp", w.Host.Address(family, port))
		if err != nil {
			w.t.Fatal(err)
		}
		w.t.Cleanup(func() { _ = conn.Close() })
		shells = append(shells, shell{conn})
	}
	w.live(shells)
	return shells
}

func (w world) live(shells []shell) {
	w.t.Helper()
	for _, s := range shells {
		if err := s.types(); err != nil {
			w.t.Errorf("the session from %s: %v", s.LocalAddr(), err)
		}
	}
}

func (w world) cutOff(shells []shell) {
	w.t.Helper()
	for _, s := range shells {
		if err := s.types(); !errors.Is(err, os.ErrDeadlineExceeded) {
			w.t.Errorf("the session from %s says %v, want silence", s.LocalAddr(), err)
		}
	}
}

// moved writes a configuration that lets in another address than the admin's.
func (w world) moved() {
	w.t.Helper()
	v4, v6 := w.Admin.IPv4, w.Admin.IPv6
	w.Admin.IPv4, w.Admin.IPv6 = netip.MustParseAddr("10.77.0.21"), netip.MustParseAddr("fd77::21")
	err := w.Write(w.Configuration(lab.Settings{}))
	w.Admin.IPv4, w.Admin.IPv6 = v4, v6
	if err != nil {
		w.t.Fatal(err)
	}
}

// TestLockout holds that no apply cuts off who is connected to a management port, unless it is forced.
func TestLockout(t *testing.T) {
	w := newBox(t, lab.Settings{})
	shells := w.shells(lab.SSHPort)
	v4, v6 := w.Admin.IPv4.String(), w.Admin.IPv6.String()
	good := w.Configuration(lab.Settings{})
	refused := func(words ...string) {
		t.Helper()
		w.unchanged("a refused apply", func() {
			for _, how := range []string{"--now", "--dry-run"} {
				refuses(t, w.must(3, "apply", how), append(words, "firewall.management", "or give --force")...)
			}
		})
		w.live(shells)
	}
	w.moved() // nothing is in force yet
	refused("shuts out 2 peers", v4+" to port 22", v6+" to port 22")
	if err := w.Write(good); err != nil {
		t.Fatal(err)
	}
	w.must(0, "apply", "--now")
	w.live(shells)
	w.moved()
	refused("shuts out 2 peers", v4+" to port 22", v6+" to port 22")
	if err := w.Write(strings.Replace(good, `, "`+v6+`/128"`, "", 1)); err != nil {
		t.Fatal(err)
	}
	refused("shuts out " + v6 + ", connected now to port 22 by \"eth0\": add it to")
	if err := w.Write(strings.Replace(good, "22/tcp]", "22/tcp]\n      interfaces: [eth1]", 1)); err != nil {
		t.Fatal(err)
	}
	refused(v4 + " to port 22 by \"eth0\"")
	if err := w.Write(strings.Replace(good, "22/tcp", "2222/tcp", 1)); err != nil {
		t.Fatal(err)
	}
	refused(v4 + " to port 22")
	w.moved()
	w.must(0, "apply", "--dry-run", "--force")
	w.must(0, "apply", "--now", "--force")
	w.cutOff(shells)
	w.must(0, "apply", "--now") // it changes nothing any more
}

// TestLockoutKnowsThePortsInForce moves management away from a port that only the ruleset in force names.
func TestLockoutKnowsThePortsInForce(t *testing.T) {
	for _, guarded := range []bool{false, true} {
		t.Run(fmt.Sprintf("guarded %v", guarded), func(t *testing.T) {
			w := newBox(t, lab.Settings{})
			good := w.Configuration(lab.Settings{})
			if err := w.Write(strings.Replace(good, "22/tcp", "2222/tcp", 1)); err != nil {
				t.Fatal(err)
			}
			if guarded {
				w.daemon()
			} else {
				w.must(0, "apply", "--now")
			}
			shells := w.shells(2222)
			if err := w.Write(good); err != nil {
				t.Fatal(err)
			}
			w.unchanged("a refused apply", func() {
				refuses(t, w.must(3, "apply", "--now"), w.Admin.IPv4.String()+" to port 2222")
			})
			w.live(shells)
		})
	}
}

// TestLockoutOfAReload holds the same of a daemon: of its reload, and of an apply that it does.
func TestLockoutOfAReload(t *testing.T) {
	w := newBox(t, lab.Settings{})
	shells := w.shells(lab.SSHPort)
	w.daemon()
	w.moved()
	w.unchanged("a refused reload", func() {
		if err := w.Reload(); err != nil {
			t.Fatal(err)
		}
		w.await(lab.Has("configuration", "warn", "config.rejected"))
		mend := "`sallyport apply --now --force`, then reload"
		for _, word := range []string{w.Admin.IPv6.String() + " to port 22", mend} {
			if said := w.Daemon().Output(); !strings.Contains(said, word) {
				t.Errorf("the daemon does not say %q: %s", word, said)
			}
		}
		refuses(t, w.must(3, "apply", "--now"), w.Admin.IPv4.String()+" to port 22", "or give --force")
	})
	w.live(shells)
	w.must(0, "apply", "--now", "--force")
	w.cutOff(shells)
	if err := w.Reload(); err != nil {
		t.Fatal(err)
	}
	w.await(lab.AllOK)
}

// onlyNetAdmin has a command run by a user who has the one capability that the guard needs.
func onlyNetAdmin(cmd *exec.Cmd) error {
	cmd.SysProcAttr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	cmd.SysProcAttr.AmbientCaps = []uintptr{unix.CAP_NET_ADMIN}
	return nil
}

// TestLockoutSeenWithOneCapability runs an apply and a guard with CAP_NET_ADMIN alone. The guard begins all the same:
// there is nobody to ask at boot.
func TestLockoutSeenWithOneCapability(t *testing.T) {
	others(t)
	w := newBox(t, lab.Settings{})
	dir := w.folder("shut", nobody)
	file := w.file(dir, "sallyport.yaml", shut(dir, "192.0.2.1"))
	shells := w.shells(lab.SSHPort)
	w.unchanged("a refused apply", func() {
		got := w.run(onlyNetAdmin, "apply", "--now", "--config", file)
		refuses(t, got, w.Admin.IPv4.String()+" to port 22", w.Admin.IPv6.String()+" to port 22")
	})
	w.live(shells)
	guard := w.start(onlyNetAdmin, "run", "--here", "--only", "guard", "--config", file)
	err := lab.Until(within(t, 10*time.Second), "the guard", func() error {
		if said := w.said(guard); !strings.Contains(said, "msg=guarding") {
			return fmt.Errorf("it says %s", said)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"level=WARN", "cause=firewall.lockout", w.Admin.IPv4.String() + " to port 22"} {
		if said := w.said(guard); !strings.Contains(said, word) {
			t.Errorf("the guard does not warn by %q: %s", word, said)
		}
	}
	if rules := w.rules(); !strings.Contains(rules, "192.0.2.1") {
		t.Errorf("the ruleset is not in force: %s", rules)
	}
}

// TestLockoutThatCannotBeTold holds that not to know who is connected is not taken for nobody.
func TestLockoutThatCannotBeTold(t *testing.T) {
	w := newBox(t, lab.Settings{})
	blind := func(*exec.Cmd) error { return forbid(withoutNetlink(unix.NETLINK_SOCK_DIAG)) }
	w.unchanged("a refused apply", func() {
		got := w.run(blind, "apply", "--now", "--config", w.File)
		refuses(t, got, "cannot be told", "cannot list TCP connections", "tcp_diag", "or give --force")
	})
	if got := w.run(blind, "apply", "--now", "--force", "--config", w.File); got.Code != 0 {
		t.Errorf("by force: %+v", got)
	}
}
