package kernel

import (
	"math"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// The table that follows packets, and its chains.
const (
	traceTable   = "sallyport-trace"
	traceAttempt = "attempt"
	traceLeft    = "left"
	traceAnswer  = "answer"
	traceCame    = "came"
)

// Flags of TCP's header (RFC 9293 section 3.1).
const (
	tcpSYN = 0x02
	tcpACK = 0x10
)

// addTrace puts the table into the next transaction:
//
//	table inet sallyport-trace {
//		chain attempt { type filter hook output priority -2147483648;
//			meta skuid 992 ip daddr 203.0.113.7 tcp dport 443 tcp flags & (syn | ack) == syn meta nftrace set 1
//		}
//		chain left { type filter hook postrouting priority 2147483647; }
//		chain answer { type filter hook prerouting priority -2147483648;
//			ip saddr 203.0.113.7 tcp sport 443 tcp flags & (syn | ack) == syn | ack meta nftrace set 1
//		}
//		chain came { type filter hook input priority 2147483647; }
//	}
//
// Two come before all other chains, so that what those do is seen; who gets as far as the two others got through.
func addTrace(nft *nftables.Conn, flight Flight, flags nftables.TableFlags) {
	table := nft.AddTable(&nftables.Table{Family: nftables.TableFamilyINet, Name: traceTable, Flags: flags})
	first, last := nftables.ChainPriority(math.MinInt32), nftables.ChainPriority(math.MaxInt32)
	chain := func(name string, hook *nftables.ChainHook, priority *nftables.ChainPriority) *nftables.Chain {
		return nft.AddChain(&nftables.Chain{
			Name: name, Table: table, Type: nftables.ChainTypeFilter, Hooknum: hook, Priority: priority,
		})
	}
	var whose []expr.Any
	if flight.UID != nil {
		whose = []expr.Any{
			&expr.Meta{Key: expr.MetaKeySKUID, Register: 1}, equal(binaryutil.NativeEndian.PutUint32(*flight.UID)),
		}
	}
	nft.AddRule(&nftables.Rule{
		Table: table, Chain: chain(traceAttempt, nftables.ChainHookOutput, &first),
		Exprs: append(whose, marking(flight, true)...),
	})
	nft.AddRule(&nftables.Rule{
		Table: table, Chain: chain(traceAnswer, nftables.ChainHookPrerouting, &first), Exprs: marking(flight, false),
	})
	chain(traceLeft, nftables.ChainHookPostrouting, &last)
	chain(traceCame, nftables.ChainHookInput, &last)
}

// marking has the kernel tell what becomes of a flight's packets, or of the answers to them.
func marking(flight Flight, outward bool) []expr.Any {
	to, protocol := flight.To, byte(unix.IPPROTO_TCP)
	if flight.UDP {
		protocol = unix.IPPROTO_UDP
	}
	const source, destination = 0, 2 // of the ports (RFC 9293)
	family, at, length := byte(unix.NFPROTO_IPV4), uint32(12), uint32(4)
	if to.Addr().Is6() {
		family, at, length = unix.NFPROTO_IPV6, 8, 16
	}
	port, flags := uint32(source), byte(tcpSYN|tcpACK)
	if outward {
		at, port, flags = at+length, destination, tcpSYN
	}
	marks := []expr.Any{
		&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1}, equal([]byte{family}),
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: at, Len: length},
		equal(to.Addr().AsSlice()),
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1}, equal([]byte{protocol}),
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: port, Len: 2},
		equal(binaryutil.BigEndian.PutUint16(to.Port())),
	}
	if !flight.UDP {
		marks = append(marks, begins(flags)...)
	}
	return append(marks, &expr.Immediate{Register: 1, Data: []byte{1}},
		&expr.Meta{Key: expr.MetaKeyNFTRACE, SourceRegister: true, Register: 1})
}

// begins is true of a TCP segment of which SYN and ACK are exactly the flags.
func begins(flags byte) []expr.Any {
	const at = 13 // RFC 9293 section 3.1
	return []expr.Any{
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: at, Len: 1},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 1, Mask: []byte{tcpSYN | tcpACK}, Xor: []byte{0}},
		equal([]byte{flags}),
	}
}

func equal(data []byte) *expr.Cmp {
	return &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: data}
}
