package kernel

import (
	"encoding/binary"
	"sallyport/firewall/kernel/attribute"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// Change is one commit to the ruleset of a network namespace, in any table. The zero Change says that commits were missed.
type Change struct {
	// Generation numbers the ruleset after the commit: see Dump.Generation. 0 where commits were missed.
	Generation uint32
	// Thread is the thread that committed, as the first PID namespace numbers it; 0 where it is not known. It is not the
	// process: a program with threads commits from any of them.
	Thread int
	// Command is the thread's name, which is the program's unless it gave itself another: at most 15 bytes, and whatever
	// bytes the thread liked.
	Command string
}

// commandSize is TASK_COMM_LEN (linux/sched.h), the NUL included.
const commandSize = 16

// newGeneration is the type of the message that ends the notifications of a commit (linux/netfilter/nf_tables.h).
const newGeneration = unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_NEWGEN

// commitsOnly is the socket filter that lets through what begins with a message of the type newGeneration: the kernel
// sends that one alone, after the packed ones that say what the commit changed.
func commitsOnly() ([]bpf.RawInstruction, error) {
	// A message's type is the two bytes after its length, in host order, while a filter loads in network order.
	const offset, size = 4, 2
	wanted := binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, newGeneration))
	return bpf.Assemble([]bpf.Instruction{
		bpf.LoadAbsolute{Off: offset, Size: size},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(wanted), SkipFalse: 1},
		bpf.RetConstant{Val: watchMessage},
		bpf.RetConstant{Val: 0},
	})
}

// decodeChange reads a notification. One that cannot be read still says that something changed: it is the zero Change.
func decodeChange(kind uint16, data []byte) Change {
	if kind != newGeneration || len(data) < nfgenSize {
		return Change{}
	}
	attrs, err := attribute.Parse(data[nfgenSize:])
	generation, _ := attrs.Number(unix.NFTA_GEN_ID)
	if err != nil || generation == 0 || len(attrs.Bytes(unix.NFTA_GEN_ID)) != 4 {
		return Change{}
	}
	change := Change{Generation: uint32(generation), Thread: int(int32(attrs.NumberOr0(unix.NFTA_GEN_PROC_PID)))}
	command := attrs.Text(unix.NFTA_GEN_PROC_NAME)
	change.Command = command[:min(len(command), commandSize-1)]
	if change.Thread < 0 {
		change.Thread = 0
	}
	return change
}
