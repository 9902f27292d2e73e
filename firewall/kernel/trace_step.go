package kernel

import (
	"encoding/binary"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"sallyport/firewall/kernel/attribute"
)

// traceStep is what the kernel tells of a packet that bears the mark: at each rule that is true of it, and at the end of a
// base chain (nft_trace_notify).
type traceStep struct {
	at      place // the table
	chain   string
	handle  uint64 // of the rule; 0 at the end of a chain
	verdict int32
	policy  bool     // the base chain's
	id      uint32   // of the packet
	ports   portPair // of the packet; zero where they are not told, which is at all but the first step of a hook
}

// portPair is the ports of a TCP header.
type portPair struct{ source, destination uint16 }

// Verdicts of linux/netfilter.h.
const (
	verdictDrop  = 0
	verdictQueue = 3
	verdictMask  = 0xff // NF_VERDICT_MASK
)

// decodeTraceStep reads one message, less its nfgenmsg, whose family is the table's. It never panics, whatever the bytes.
func decodeTraceStep(family byte, b []byte) (traceStep, error) {
	attrs, err := attribute.Parse(b)
	if err != nil {
		return traceStep{}, err
	}
	id, ok := attrs.Number(unix.NFTA_TRACE_ID)
	if !ok {
		return traceStep{}, fmt.Errorf("%w: a trace without a number", attribute.ErrMalformed)
	}
	step := traceStep{
		at: place{family, attrs.Text(unix.NFTA_TRACE_TABLE)}, chain: attrs.Text(unix.NFTA_TRACE_CHAIN),
		handle: attrs.NumberOr0(unix.NFTA_TRACE_RULE_HANDLE), id: uint32(id),
	}
	if header := attrs.Bytes(unix.NFTA_TRACE_TRANSPORT_HEADER); len(header) >= 4 {
		step.ports = portPair{binary.BigEndian.Uint16(header), binary.BigEndian.Uint16(header[2:])}
	}
	known := false
	switch attrs.NumberOr0(unix.NFTA_TRACE_TYPE) {
	case unix.NFT_TRACETYPE_POLICY:
		step.policy, step.handle = true, 0
		step.verdict, known = verdictNumber(attrs.Bytes(unix.NFTA_TRACE_POLICY))
	case unix.NFT_TRACETYPE_RULE, unix.NFT_TRACETYPE_RETURN:
		nested, err := attrs.Nested(unix.NFTA_TRACE_VERDICT)
		if err != nil {
			return traceStep{}, err
		}
		step.verdict, known = verdictNumber(nested.Bytes(unix.NFTA_VERDICT_CODE))
	}
	if !known {
		return traceStep{}, fmt.Errorf("%w: a trace without a verdict", attribute.ErrMalformed)
	}
	return step, nil
}

// drops says that the packet ends here.
func (s traceStep) drops() bool { return s.verdict >= 0 && s.verdict&verdictMask == verdictDrop }

// queues says that a program is asked about the packet.
func (s traceStep) queues() bool { return s.verdict >= 0 && s.verdict&verdictMask == verdictQueue }

// traced says that the step is of the table that sets the mark.
func (s traceStep) traced() bool { return s.at == place{familyInet, traceTable} }

// sighting is what was told of the packets that this process follows: those that its own table has marked. Others may mark
// packets too, whose messages come besides.
type sighting struct {
	flights map[uint32]*sighted // by the packet's number
	order   []uint32
	from    []uint16 // the ports from which was connected
	patchy  bool     // some of it was not told
	end     traceStep
}

// sighted is one packet.
type sighted struct {
	answer  bool
	through bool      // it got through all hooks
	last    traceStep // of the tables that judge; the zero value before any
}

// mostFlights bounds the packets that are followed: others may connect to the same place at the same time.
const mostFlights = 256

func newSighting() *sighting { return &sighting{flights: make(map[uint32]*sighted)} }

// step takes one in.
func (s *sighting) step(told traceStep) {
	packet := s.flights[told.id]
	switch {
	case told.traced() && packet != nil:
		packet.through = packet.through || told.chain == traceLeft && !packet.answer || told.chain == traceCame
	case told.traced() && len(s.flights) < mostFlights && s.follows(told):
		s.flights[told.id] = &sighted{answer: told.chain == traceAnswer}
		s.order = append(s.order, told.id)
	case !told.traced() && packet != nil && !packet.ended():
		packet.last = told
	}
}

// follows says that the packet of a step is one of the flight's: an attempt, or the answer to one. Answers that the host
// passes on to others come by the same way, and belong to nobody here.
func (s *sighting) follows(first traceStep) bool {
	if first.chain == traceAttempt {
		s.from = append(s.from, first.ports.source)
		return true
	}
	return first.chain == traceAnswer && slices.Contains(s.from, first.ports.destination)
}

// ended says that a rule has dropped it.
func (p *sighted) ended() bool { return p.last.chain != "" && p.last.drops() }

// fate is what became of the packets. The first one that ended tells.
func (s *sighting) fate() Fate {
	fate := Fate{Packets: len(s.order)}
	for _, id := range s.order {
		packet := s.flights[id]
		if packet.ended() || packet.last.queues() && !packet.through && !s.patchy {
			s.end = packet.last
			fate.End = packet.last.end()
			fate.End.Answer = packet.answer
			return fate
		}
		if !packet.through && !s.patchy && !fate.Lost {
			fate.Lost, fate.LostAnswer = true, packet.answer
		}
	}
	return fate
}
