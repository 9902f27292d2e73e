package proof

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/firewall"
)

const (
	// twinBurst is how many packets are sent before what became of them is looked at: fewer than the queues hold.
	twinBurst = 64
	// twinPatience is how long the interfaces may take to be ready.
	twinPatience = 500 * time.Millisecond
	twinPause    = 2 * time.Millisecond
	// firstTwinPort and what follows are the source ports; each packet has its own, so that each begins a connection.
	firstTwinPort = 20000
	lastTwinPort  = 60000
)

// twinStage is a network namespace that is made like a host.
type twinStage struct {
	host twinHost
	rig
	port    uint16
	untried []string
}

// setUp makes the interfaces, with the names and indexes that rules may ask for, then the settings, the addresses and the
// routes to the sources.
func (s *twinStage) setUp(plan twinPlan) (err error) {
	if err := s.open(); err != nil {
		return err
	}
	s.port = firstTwinPort
	for _, i := range s.host.interfaces {
		d, err := openDeviceAt(i.name, i.index)
		if err != nil {
			return err
		}
		s.devices[i.name] = d
	}
	for path, value := range s.host.sysctls {
		if err := sysctl(path, value); err != nil {
			s.untried = append(s.untried, fmt.Sprintf("sysctl %s: %v", path, err))
		}
	}
	for _, d := range append([]*device{{name: "lo", index: 1}}, s.all()...) {
		if err := s.links.up(d); err != nil {
			return err
		}
	}
	for _, i := range s.host.interfaces {
		if err := s.address(i); err != nil {
			return err
		}
	}
	return s.lead(plan)
}

func (s *twinStage) all() []*device {
	list := make([]*device, 0, len(s.devices))
	for _, i := range s.host.interfaces {
		if d := s.devices[i.name]; d != nil {
			list = append(list, d)
		}
	}
	return list
}

// address gives an interface its addresses and the routes to its networks.
func (s *twinStage) address(i twinInterface) error {
	for _, p := range i.nets {
		err := s.links.address(s.devices[i.name], p.Addr())
		if err == nil && !p.IsSingleIP() {
			err = s.links.route(s.devices[i.name], p.Masked())
		}
		switch {
		case errors.Is(err, errNoFamily):
			s.untried = append(s.untried, fmt.Sprintf("%s: %v", p, err))
		case err != nil:
			return fmt.Errorf("%w: %w", ErrNoPackets, err)
		}
	}
	return nil
}

// lead leads the way back to each source to the interface that it comes in by.
func (s *twinStage) lead(plan twinPlan) error {
	led := make(map[netip.Addr]bool)
	for _, q := range plan.asked {
		from := q.packet.From
		if led[from] {
			continue
		}
		led[from] = true
		err := s.links.route(s.devices[q.packet.By], netip.PrefixFrom(from, from.BitLen()))
		if err != nil && !errors.Is(err, errNoFamily) {
			return fmt.Errorf("%w: %w", ErrNoPackets, err)
		}
	}
	return nil
}

// openDeviceAt makes a TUN device with the name and the index of a host's interface.
func openDeviceAt(name string, index int) (*device, error) {
	fd, err := unix.Open(tunPath, unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("%w: open %s: %w", ErrNoPackets, tunPath, err)
	}
	d := &device{name: name, index: index, fd: fd}
	failed := func(what string, err error) (*device, error) {
		return nil, errors.Join(fmt.Errorf("%w: %s %q: %w", ErrNoPackets, what, name, err), d.close())
	}
	if err := unix.IoctlSetPointerInt(fd, unix.TUNSETIFINDEX, index); err != nil {
		return failed("number the interface", err)
	}
	request, err := unix.NewIfreq(name)
	if err != nil {
		return failed("name the interface", err)
	}
	request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, request); err != nil {
		return failed("make the interface", err)
	}
	if err := unix.IoctlSetInt(fd, unix.TUNSETPERSIST, 1); err != nil { // it goes with the namespace, which is faster
		return failed("keep the interface", err)
	}
	if found, err := net.InterfaceByName(name); err != nil || found.Index != index {
		return failed("number the interface", fmt.Errorf("it has another index than %d: %w", index, err))
	}
	return d, nil
}

// unruled sends a packet of each source before there is any rule. Those that do not arrive even so prove nothing by being
// kept out, and their questions are left out.
func (s *twinStage) unruled(ctx context.Context, asked []twinQuestion) ([]twinQuestion, error) {
	var first []TwinPacket
	at := make(map[netip.Addr]int)
	for _, q := range asked {
		if _, ok := at[q.packet.From]; !ok {
			at[q.packet.From] = len(first)
			packet := q.packet
			packet.Protocol = firewall.UDP
			first = append(first, packet)
		}
	}
	fates, err := s.sendAgain(ctx, first)
	if err != nil {
		return nil, err
	}
	kept := make([]twinQuestion, 0, len(asked))
	for _, q := range asked {
		if fates[at[q.packet.From]] == FateIn {
			kept = append(kept, q)
		}
	}
	for i, fate := range fates {
		if fate != FateIn {
			s.untried = append(s.untried, fmt.Sprintf("%s: its packets do not arrive without a rule either", first[i].From))
		}
	}
	if len(kept) == 0 && len(asked) > 0 {
		return nil, fmt.Errorf("%w: none arrives even where there is no rule", ErrNoPackets)
	}
	return kept, nil
}

// sendAgain sends packets until each has arrived, or twinPatience is over: an IPv6 address is of use only when a worker of
// the kernel has been at it (addrconf_dad_begin, kernel 6.18).
func (s *twinStage) sendAgain(ctx context.Context, packets []TwinPacket) ([]Fate, error) {
	deadline := time.Now().Add(twinPatience)
	for {
		fates, err := s.send(ctx, packets)
		missing := slices.ContainsFunc(fates, func(f Fate) bool { return f != FateIn })
		if err != nil || !missing || time.Now().After(deadline) {
			return fates, err
		}
		if err := await(s.devices[packets[0].By].fd, 0, twinPause); err != nil {
			return nil, err
		}
	}
}

// twinKey tells packets apart by what no rule on the way in changes before an ear hears them.
type twinKey struct {
	from     netip.AddrPort
	protocol byte
}

// send sends the packets, and says what became of each.
func (s *twinStage) send(ctx context.Context, packets []TwinPacket) ([]Fate, error) {
	fates := make([]Fate, len(packets))
	for i := range fates {
		fates[i] = FateKeptOut
	}
	for begin := 0; begin < len(packets); begin += twinBurst {
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
		end := min(begin+twinBurst, len(packets))
		sent := make(map[twinKey]int, twinBurst)
		for i := begin; i < end; i++ {
			key, err := s.sendOne(packets[i])
			if err != nil {
				return nil, err
			}
			sent[key] = i
		}
		if err := s.listen(sent, fates); err != nil {
			return nil, err
		}
	}
	return fates, nil
}

// sendOne has one packet come in: a SYN, or a datagram.
func (s *twinStage) sendOne(p TwinPacket) (twinKey, error) {
	if s.port++; s.port > lastTwinPort {
		s.port = firstTwinPort
	}
	from, to := netip.AddrPortFrom(p.From, s.port), netip.AddrPortFrom(p.To, p.Port)
	raw := segment{from: from, to: to, flags: flagSYN, seq: uint32(s.port)}.packet()
	if p.Protocol == firewall.UDP {
		raw = udp(from, to, []byte("sallyport twin"))
	}
	return twinKey{from, byte(p.Protocol)}, s.devices[p.By].write(raw)
}

// listen takes what the ears and the devices have heard of what was sent. The kernel judges a packet while it is written,
// so that there is nothing to wait for.
func (s *twinStage) listen(sent map[twinKey]int, fates []Fate) error {
	note := func(told seen, fate Fate) {
		if i, ok := sent[twinKey{told.from, told.protocol}]; ok {
			fates[i] = fate
		}
	}
	for _, d := range s.all() {
		_, err := d.read(0, func(raw []byte) bool {
			if told, ok := parse(raw); ok {
				note(told, FatePassedOn)
			}
			return false
		})
		if err != nil {
			return err
		}
	}
	return s.ears.each(func(told seen) { note(told, FateIn) })
}

// each tells what the ears have heard since, TCP and UDP.
func (e *ears) each(take func(seen)) error {
	buffer := make([]byte, maxPacket)
	for _, ear := range e.list {
		if ear.protocol != unix.IPPROTO_TCP && ear.protocol != unix.IPPROTO_UDP {
			continue
		}
		for {
			n, from, err := unix.Recvfrom(ear.fd, buffer, 0)
			if errors.Is(err, unix.EAGAIN) {
				break
			}
			if errors.Is(err, unix.EINTR) || errors.Is(err, unix.ENOBUFS) {
				continue
			}
			if err != nil {
				return fmt.Errorf("hear: %w", err)
			}
			if told, ok := toldBy(ear, buffer[:n], from); ok {
				take(told)
			}
		}
	}
	return nil
}

// toldBy reads what a raw socket told of: IPv4 with its header, IPv6 without (raw(7), RFC 3542 section 3).
func toldBy(e ear, told []byte, from unix.Sockaddr) (seen, bool) {
	six, ok := from.(*unix.SockaddrInet6)
	if !ok {
		return parse(told)
	}
	if len(told) < 2 {
		return seen{}, false
	}
	port := uint16(told[0])<<8 | uint16(told[1])
	return seen{from: netip.AddrPortFrom(netip.AddrFrom16(six.Addr), port), protocol: byte(e.protocol)}, true
}
