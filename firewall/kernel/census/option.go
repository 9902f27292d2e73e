package census

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// askOption is getsockopt(2) with a buffer that is question and answer.
func askOption(fd, level, option int, buffer []byte) error {
	length := uint32(len(buffer))
	_, _, errno := unix.Syscall6(
		unix.SYS_GETSOCKOPT, uintptr(fd), uintptr(level), uintptr(option),
		uintptr(unsafe.Pointer(&buffer[0])), //nolint:gosec // the kernel takes an address
		uintptr(unsafe.Pointer(&length)), 0) //nolint:gosec // the kernel takes an address
	switch errno {
	case 0:
		return nil
	case unix.EPERM:
		return fmt.Errorf("it needs CAP_NET_ADMIN (run as root): %w", errno)
	default:
		return errno
	}
}

// bpfQuery is the question and answer of BPF_PROG_QUERY (union bpf_attr, linux/bpf.h): which programs hang where.
type bpfQuery struct {
	target, attach, flags, attachFlags uint32
	programs                           uint64 // address of the list
	count, _                           uint32
	_, _, _                            uint64
	revision                           uint64
}

// attachedPrograms asks for the ids of the programs that hang on an interface by tcx.
func attachedPrograms(link, attach uint32) ([]uint32, error) {
	const query = 16 // BPF_PROG_QUERY
	ids := make([]uint32, 64)
	var pinned runtime.Pinner // its address is no pointer in the question
	pinned.Pin(&ids[0])
	defer pinned.Unpin()
	q := bpfQuery{target: link, attach: attach, count: uint32(len(ids))}
	list := unsafe.Pointer(&ids[0]) //nolint:gosec // the kernel takes an address
	q.programs = uint64(uintptr(list))
	_, _, errno := unix.Syscall(unix.SYS_BPF, query,
		uintptr(unsafe.Pointer(&q)), unsafe.Sizeof(q)) //nolint:gosec // the kernel takes an address
	if errno != 0 {
		return nil, errno
	}
	return ids[:min(int(q.count), len(ids))], nil
}

func putNative32(b []byte, n uint32) { binary.NativeEndian.PutUint32(b, n) }
