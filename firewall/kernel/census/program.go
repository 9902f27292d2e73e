package census

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sallyport/firewall/kernel/attribute"
	"slices"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

const (
	linkMessage = 16       // struct ifinfomsg (linux/rtnetlink.h)
	tcMessage   = 20       // struct tcmsg
	maxPrograms = 4096     // of all interfaces
	maxAsked    = 1024     // interfaces whose filters are asked for
	linkBuffer  = 64 << 10 // above the 32 KiB in which the kernel fills a dump for a reader that takes as much
	linkBudget  = 8 << 20  // bytes of answers about interfaces
)

// Parents of filters (linux/pkt_sched.h): of the qdisc clsact, and of its forerunner ingress, which has one side only.
const (
	handleIngress = 0xffff0000
	parentIngress = 0xfffffff2
	parentEgress  = 0xfffffff3
)

// Attach types of tcx (enum bpf_attach_type, kernel 6.6).
const (
	tcxIngress = 46
	tcxEgress  = 47
)

// programs reads what hangs on the interfaces: XDP, tc filters and tcx.
func (c *Census) programs(ctx context.Context) {
	conn, err := netlink.Dial(unix.NETLINK_ROUTE, &netlink.Config{MessageBufferSize: linkBuffer})
	if err != nil {
		c.Gap("the interfaces' programs (XDP, tc): %v", err)
		return
	}
	defer func() { _ = conn.Close() }() // nothing was written that could be lost
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if err := c.xdp(ctx, conn); err != nil {
		c.Gap("XDP programs: %v", err)
	}
	if err := c.filters(ctx, conn); err != nil {
		c.Gap("tc filters: %v", err)
	}
	c.tcx()
}

// dumpRoute asks rtnetlink for a list, and passes on what follows the header of a fixed size.
func dumpRoute(
	ctx context.Context, conn *netlink.Conn, kind uint16, request []byte, f func(header []byte, a attribute.List),
) error {
	sent, err := conn.Send(netlink.Message{
		Header: netlink.Header{Type: netlink.HeaderType(kind), Flags: netlink.Request | netlink.Dump}, Data: request,
	})
	if err != nil {
		return err
	}
	var failure error
	room := linkBudget
	for m, err := range conn.ReceiveIter() {
		switch room -= len(m.Data); {
		case err != nil && ctx.Err() != nil && errors.Is(err, os.ErrDeadlineExceeded):
			return context.Cause(ctx)
		case err != nil:
			return err
		case failure != nil: // read on to the end: more is asked on the same socket
		case m.Header.Sequence != sent.Header.Sequence:
			failure = fmt.Errorf("netlink answer %d to request %d", m.Header.Sequence, sent.Header.Sequence)
		case room < 0:
			failure = fmt.Errorf("more than %d MiB of answers", linkBudget>>20)
		case len(m.Data) < len(request):
			failure = fmt.Errorf("%w: %d bytes", attribute.ErrMalformed, len(m.Data))
		default:
			var list attribute.List
			list, failure = attribute.Parse(m.Data[len(request):])
			f(m.Data[:len(request)], list)
		}
	}
	return failure
}

func (c *Census) xdp(ctx context.Context, conn *netlink.Conn) error {
	return dumpRoute(ctx, conn, unix.RTM_GETLINK, make([]byte, linkMessage), func(_ []byte, link attribute.List) {
		if p, attached := parseXDP(link); attached {
			c.program(p)
		}
	})
}

// parseXDP reads the program of a link's message.
func parseXDP(link attribute.List) (Program, bool) {
	xdp, err := link.Nested(unix.IFLA_XDP)
	if mode := xdp.Bytes(unix.IFLA_XDP_ATTACHED); err != nil || len(mode) != 1 || mode[0] == 0 {
		return Program{}, false
	}
	p := Program{Link: Visible(link.Text(unix.IFLA_IFNAME)), Kind: "xdp", Hook: hookIngress, Direct: true}
	for _, kind := range []uint16{
		unix.IFLA_XDP_PROG_ID, unix.IFLA_XDP_DRV_PROG_ID, unix.IFLA_XDP_SKB_PROG_ID, unix.IFLA_XDP_HW_PROG_ID,
	} {
		if id, ok := nativeNumber(xdp.Bytes(kind)); ok && p.ID == 0 {
			p.ID = id
		}
	}
	return p, true
}

const (
	hookIngress = "ingress"
	hookEgress  = "egress"
)

// nativeNumber is an attribute of rtnetlink, in host order.
func nativeNumber(b []byte) (uint32, bool) {
	if len(b) != 4 {
		return 0, false
	}
	return binary.NativeEndian.Uint32(b), true
}

func (c *Census) program(p Program) {
	if len(c.Programs) == maxPrograms {
		c.Gap("there are more than %d programs on the interfaces", maxPrograms)
		return
	}
	if !slices.ContainsFunc(c.Programs, func(q Program) bool { return alike(p, q) }) {
		c.Programs = append(c.Programs, p)
	}
}

// alike says whether two are told alike: a filter is listed once for each of its parts.
func alike(p, q Program) bool {
	return p.Link == q.Link && p.Kind == q.Kind && p.Hook == q.Hook && p.ID == q.ID && p.Name == q.Name &&
		slices.Equal(p.Actions, q.Actions)
}

// filters reads those of the qdiscs clsact and ingress. Filters of other qdiscs only order what leaves.
func (c *Census) filters(ctx context.Context, conn *netlink.Conn) error {
	type question struct{ link, parent uint32 }
	var ask []question
	err := dumpRoute(ctx, conn, unix.RTM_GETQDISC, make([]byte, tcMessage), func(header []byte, qdisc attribute.List) {
		link := binary.NativeEndian.Uint32(header[4:])
		switch qdisc.Text(unix.TCA_KIND) {
		case "clsact":
			ask = append(ask, question{link, parentIngress}, question{link, parentEgress})
		case hookIngress:
			ask = append(ask, question{link, handleIngress})
		}
	})
	if err != nil {
		return err
	}
	if len(ask) > maxAsked {
		c.Gap("there are filters on more than %d interfaces", maxAsked)
		ask = ask[:maxAsked]
	}
	for _, q := range ask {
		request := make([]byte, tcMessage)
		binary.NativeEndian.PutUint32(request[4:], q.link)
		binary.NativeEndian.PutUint32(request[12:], q.parent)
		err := dumpRoute(ctx, conn, unix.RTM_GETTFILTER, request, func(_ []byte, filter attribute.List) {
			if p, ok := parseFilter(filter); ok {
				p.Link, p.Hook = Visible(c.Links[q.link]), hookIngress
				if q.parent == parentEgress {
					p.Hook = hookEgress
				}
				c.program(p)
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Attributes of a BPF filter (linux/pkt_cls.h) and of an action (linux/pkt_cls.h, TCA_ACT_KIND).
const (
	tcaBPFAct   = 1
	tcaBPFName  = 7
	tcaBPFFlags = 8
	tcaBPFID    = 11
	tcaU32Sel   = 5
	bpfDirect   = 1 // TCA_BPF_FLAG_ACT_DIRECT
	tcaActKind  = 1
)

// parseFilter reads a filter's kind, its program and its actions. A filter's head, which filters
// nothing, has no options, or has of u32 only the size of its table.
func parseFilter(filter attribute.List) (Program, bool) {
	p := Program{Kind: Visible(filter.Text(unix.TCA_KIND))}
	options, err := filter.Nested(unix.TCA_OPTIONS)
	if err != nil || len(options) == 0 || p.Kind == "" {
		return Program{}, false
	}
	if p.Kind == "u32" && !options.Has(tcaU32Sel) {
		return Program{}, false
	}
	if p.Kind == "bpf" {
		p.Name = Visible(options.Text(tcaBPFName))
		p.ID, _ = nativeNumber(options.Bytes(tcaBPFID))
		flags, _ := nativeNumber(options.Bytes(tcaBPFFlags))
		p.Direct = flags&bpfDirect != 0
	}
	if place, ok := actionsAttribute(p.Kind); ok {
		p.Actions = actionKinds(options.Bytes(place))
	}
	return p, true
}

// actionsAttribute is where a kind of filter has its actions (linux/pkt_cls.h: TCA_BPF_ACT, TCA_U32_ACT, TCA_FLOWER_ACT,
// TCA_MATCHALL_ACT, TCA_BASIC_ACT, TCA_FW_ACT, TCA_ROUTE4_ACT, TCA_FLOW_ACT).
func actionsAttribute(kind string) (uint16, bool) {
	place, ok := map[string]uint16{
		"bpf": tcaBPFAct, "u32": 7, "flower": 3, "matchall": 2, "basic": 3, "fw": 4, "route": 6, "flow": 9,
	}[kind]
	return place, ok
}

// actionKinds are the kinds of the actions in a list.
func actionKinds(b []byte) []string {
	const most = 32 // TCA_ACT_MAX_PRIO
	list, err := attribute.Parse(b)
	if err != nil {
		return []string{"unreadable"}
	}
	var kinds []string
	for _, item := range list {
		action, err := attribute.Parse(item.Data)
		if kind := action.Text(tcaActKind); err == nil && kind != "" && len(kinds) < most {
			kinds = append(kinds, Visible(kind))
		}
	}
	return kinds
}

// tcx asks for the BPF programs that hang on the interfaces without a qdisc (kernel 6.6), which rtnetlink does not tell.
func (c *Census) tcx() {
	asked := 0
	for _, index := range sortedLinks(c.Links) {
		for attach, hook := range map[uint32]string{tcxIngress: hookIngress, tcxEgress: hookEgress} {
			ids, err := attachedPrograms(index, attach)
			switch {
			case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOSYS), errors.Is(err, unix.ENOENT):
				return // a kernel without it
			case err != nil:
				c.Gap("BPF programs that hang on interfaces by tcx: %v", err)
				return
			}
			for _, id := range ids {
				c.program(Program{Link: Visible(c.Links[index]), Kind: "tcx", Hook: hook, ID: id, Direct: true})
			}
		}
		if asked++; asked == maxAsked {
			return
		}
	}
}

func sortedLinks(links map[uint32]string) []uint32 {
	var list []uint32
	for index := range links {
		list = append(list, index)
	}
	slices.Sort(list)
	return list
}
