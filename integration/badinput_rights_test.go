package integration_test

import (
	"os/exec"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"sallyport/integration/lab"
)

// TestWithoutRights runs what needs CAP_NET_ADMIN without it: as nobody, on a host that is open and on one that is shut.
func TestWithoutRights(t *testing.T) {
	others(t)
	w := newBox(t, lab.Settings{})
	dir := w.folder("open", nobody)
	file := w.file(dir, "sallyport.yaml", shut(dir, "192.0.2.1"))
	for _, host := range []string{"open", "shut"} {
		if host == "shut" {
			w.must(0, "apply", "--now")
		}
		w.unchanged("nobody", func() {
			for _, command := range []string{"apply --now", "plan", "run", "run --only guard"} {
				began := time.Now()
				got := w.run(asNobody, append(strings.Fields(command), "--config", file)...)
				refuses(t, got, "not permitted", "CAP_NET_ADMIN", "run as root")
				if times := strings.Count(got.Stderr, "CAP_NET_ADMIN"); times > 1 {
					t.Errorf("%s says the same %d times: %s", command, times, got.Stderr)
				}
				if took := time.Since(began); took > prompt/2 {
					t.Errorf("%s took %s", command, took)
				}
			}
			got := w.run(asNobody, "verify", "--config", file)
			w.cannotTell(got, "firewall.not-permitted", "CAP_NET_ADMIN")
			got = w.run(asNobody, "apply", "--dry-run", "--config", file)
			if got.Code != 0 || !strings.Contains(got.Stdout, "nothing was changed") {
				t.Errorf("a rehearsal needs no rights where user namespaces are allowed: %+v", got)
			}
		})
		if left := processes(t, dir); len(left) > 0 {
			t.Errorf("these are left: %v", left)
		}
	}
}

// cannotTell wants a report of the exit code 3 with words.
func (w world) cannotTell(got lab.Outcome, words ...string) {
	w.t.Helper()
	if got.Code != codeUnknown || got.Stderr != "" {
		w.t.Errorf("exit code %d, want %d without a word on stderr: %s", got.Code, codeUnknown, got.Stderr)
	}
	readable(w.t, got.Stdout)
	for _, word := range words {
		if !strings.Contains(got.Stdout, word) {
			w.t.Errorf("the report does not say %q: %s", word, got.Stdout)
		}
	}
}

// TestWithoutUserNamespaces holds that who may rehearse in no way is told what is in the way.
func TestWithoutUserNamespaces(t *testing.T) {
	others(t)
	w := newBox(t, lab.Settings{})
	dir := w.folder("open", nobody)
	file := w.file(dir, "sallyport.yaml", shut(dir, "192.0.2.1"))
	w.unchanged("nobody", func() {
		got := w.run(func(cmd *exec.Cmd) error {
			if err := forbid(withoutNamespaces()); err != nil {
				return err
			}
			return asNobody(cmd)
		}, "apply", "--dry-run", "--config", file)
		refuses(t, got, "cannot make a network namespace")
	})
}

// TestWithoutNftables runs every command on a kernel that knows no netfilter netlink, as a filter of system calls makes it
// look: socket(AF_NETLINK, …, NETLINK_NETFILTER) fails as it does there.
func TestWithoutNftables(t *testing.T) {
	w := newBox(t, lab.Settings{})
	bare := func(*exec.Cmd) error { return forbid(withoutNetlink(unix.NETLINK_NETFILTER)) }
	w.unchanged("a kernel without nftables", func() {
		for _, command := range []string{"apply --now", "apply --dry-run", "plan", "run", "run --only guard"} {
			got := w.run(bare, append(strings.Fields(command), "--config", w.File)...)
			refuses(t, got, "no nf_tables", "load the module")
		}
		got := w.run(bare, "verify", "--config", w.File)
		w.cannotTell(got, "firewall.unsupported", "no nf_tables", "load the module")
	})
	if left := processes(t, w.Dir); len(left) > 0 {
		t.Errorf("these are left: %v", left)
	}
	if got := w.run(bare, "config", "check", "--config", w.File); got.Code != 0 {
		t.Errorf("what needs no kernel needs one: %+v", got)
	}
}

// Offsets of struct seccomp_data (linux/seccomp.h) on a machine that is little-endian.
const (
	offsetNumber   = 0
	offsetArgument = 16 // the first one; each has 8 bytes, the lower half first
)

// withoutNetlink has socket(2) fail for a protocol of netlink as on a kernel without it.
func withoutNetlink(protocol uint32) []bpf.Instruction {
	return []bpf.Instruction{
		bpf.LoadAbsolute{Off: offsetNumber, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.SYS_SOCKET, SkipTrue: 5},
		bpf.LoadAbsolute{Off: offsetArgument, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.AF_NETLINK, SkipTrue: 3},
		bpf.LoadAbsolute{Off: offsetArgument + 2*8, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: protocol, SkipTrue: 1},
		bpf.RetConstant{Val: unix.SECCOMP_RET_ERRNO | uint32(unix.EPROTONOSUPPORT)},
		bpf.RetConstant{Val: unix.SECCOMP_RET_ALLOW},
	}
}

// withoutNamespaces has unshare(2) fail, and clone(2) where it makes a user namespace, as sandboxes do.
func withoutNamespaces() []bpf.Instruction {
	return []bpf.Instruction{
		bpf.LoadAbsolute{Off: offsetNumber, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.SYS_UNSHARE, SkipTrue: 3},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.SYS_CLONE, SkipTrue: 3},
		bpf.LoadAbsolute{Off: offsetArgument, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpBitsNotSet, Val: unix.CLONE_NEWUSER, SkipTrue: 1},
		bpf.RetConstant{Val: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)},
		bpf.RetConstant{Val: unix.SECCOMP_RET_ALLOW},
	}
}

// forbid puts a filter on the calling thread for good: the thread must end, or be of no further use. What it forks
// inherits the filter (seccomp(2)).
func forbid(program []bpf.Instruction) error {
	raw, err := bpf.Assemble(program)
	if err != nil {
		return err
	}
	filter := make([]unix.SockFilter, len(raw))
	for i, r := range raw {
		filter[i] = unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
	}
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	return unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&prog)), 0, 0)
}
