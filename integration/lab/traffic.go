package lab

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// silence is for how long no answer counts as none. An answer inside the lab takes less than a millisecond.
const silence = 400 * time.Millisecond

// Knock is what came of one attempt to get into a node.
type Knock struct {
	In   bool          // an answer came
	Took time.Duration // until the answer, or for how long there was none
	Says string        // what answered, or how it failed: "silence", "refused"
}

// Services are stand-ins for what listens on a host: an SSH server (TCP 22), a forgotten web server (TCP 8080), and an
// agent that answers every datagram (UDP 161).
type Services struct {
	listeners []io.Closer
	ended     sync.WaitGroup
}

// The ports of Services.
const (
	SSHPort       = 22
	ForgottenPort = 8080
	AgentPort     = 161
)

// Banner is what the stand-in for an SSH server says first (RFC 4253 section 4.2).
const Banner = "SSH-2.0-lab\r\n"

// StartServices starts the services on the node. Close them before the lab.
func StartServices(ctx context.Context, n *Node) (*Services, error) {
	s := &Services{}
	for port, greeting := range map[uint16]string{SSHPort: Banner, ForgottenPort: "forgotten\r\n"} {
		listener, err := n.Listen(ctx, port)
		if err != nil {
			return nil, errors.Join(err, s.Close())
		}
		s.listeners = append(s.listeners, listener)
		s.ended.Go(func() { greet(listener, greeting) })
	}
	conn, err := n.ListenPacket(ctx, AgentPort)
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.listeners = append(s.listeners, conn)
	s.ended.Go(func() { echo(conn) })
	return s, nil
}

// Close ends the services.
func (s *Services) Close() error {
	var errs []error
	for _, l := range s.listeners {
		errs = append(errs, l.Close())
	}
	s.ended.Wait()
	return errors.Join(errs...)
}

func greet(listener net.Listener, greeting string) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return // closed
		}
		_ = conn.SetDeadline(time.Now().Add(silence))
		_, _ = io.WriteString(conn, greeting) // a client that is gone misses it
		_ = conn.Close()
	}
}

func echo(conn net.PacketConn) {
	buffer := make([]byte, 1500)
	for {
		n, from, err := conn.ReadFrom(buffer)
		if err != nil {
			return // closed
		}
		_, _ = conn.WriteTo(buffer[:n], from)
	}
}

// TCP connects from the node and waits for the other side to say something.
func (n *Node) TCP(ctx context.Context, to netip.AddrPort) Knock {
	return timed(ctx, func(ctx context.Context) (string, error) {
		conn, err := n.Dial(ctx, "tcp", to.String())
		if err != nil {
			return "", err
		}
		return hear(ctx, conn)
	})
}

// UDP sends a datagram from the node and waits for one that comes back.
func (n *Node) UDP(ctx context.Context, to netip.AddrPort) Knock {
	return timed(ctx, func(ctx context.Context) (string, error) {
		conn, err := n.Dial(ctx, "udp", to.String())
		if err != nil {
			return "", err
		}
		if _, err := io.WriteString(conn, "knock knock"); err != nil {
			return "", errors.Join(err, conn.Close())
		}
		return hear(ctx, conn)
	})
}

// hear reads once and closes.
func hear(ctx context.Context, conn net.Conn) (string, error) {
	defer func() { _ = conn.Close() }()
	deadline, _ := ctx.Deadline()
	if err := conn.SetReadDeadline(deadline); err != nil {
		return "", err
	}
	buffer := make([]byte, 256)
	count, err := conn.Read(buffer)
	return string(buffer[:count]), err
}

// Ping sends an echo request (RFC 792, RFC 4443 section 4.1) from the node and waits for its reply.
func (n *Node) Ping(ctx context.Context, to netip.Addr) Knock {
	return timed(ctx, func(ctx context.Context) (string, error) {
		network, protocol := "ip4:icmp", 1
		request, reply := icmp.Type(ipv4.ICMPTypeEcho), icmp.Type(ipv4.ICMPTypeEchoReply)
		if to.Is6() {
			network, protocol, request, reply = "ip6:ipv6-icmp", 58, ipv6.ICMPTypeEchoRequest, ipv6.ICMPTypeEchoReply
		}
		var conn *icmp.PacketConn
		err := n.Inside(func() (err error) {
			conn, err = icmp.ListenPacket(network, "")
			return err
		})
		if err != nil {
			return "", err
		}
		defer func() { _ = conn.Close() }()
		token := rand.Text()
		message := icmp.Message{Type: request, Body: &icmp.Echo{ID: os.Getpid() & 0xffff, Seq: 1, Data: []byte(token)}}
		if err := send(ctx, conn, to, message); err != nil {
			return "", err
		}
		return "reply", awaitReply(conn, protocol, reply, token)
	})
}

func send(ctx context.Context, conn *icmp.PacketConn, to netip.Addr, message icmp.Message) error {
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return err
	}
	raw, err := message.Marshal(nil) // the kernel fills in ICMPv6's checksum (RFC 3542 section 3.1)
	if err != nil {
		return err
	}
	_, err = conn.WriteTo(raw, &net.IPAddr{IP: to.AsSlice()})
	return err
}

func awaitReply(conn *icmp.PacketConn, protocol int, want icmp.Type, token string) error {
	buffer := make([]byte, 1500)
	for { // until the deadline of the connection
		n, _, err := conn.ReadFrom(buffer)
		if err != nil {
			return err
		}
		message, err := icmp.ParseMessage(protocol, buffer[:n])
		if err != nil || message.Type != want {
			continue
		}
		if e, ok := message.Body.(*icmp.Echo); ok && string(e.Data) == token {
			return nil
		}
	}
}

// timed makes an attempt with the lab's patience and says what came of it.
func timed(ctx context.Context, attempt func(context.Context) (string, error)) Knock {
	ctx, cancel := context.WithTimeout(ctx, silence)
	defer cancel()
	begin := time.Now()
	heard, err := attempt(ctx)
	knock := Knock{In: err == nil, Took: time.Since(begin), Says: heard}
	var late net.Error
	switch {
	case err == nil:
	case errors.Is(err, syscall.ECONNREFUSED):
		knock.Says = "refused"
	case errors.As(err, &late) && late.Timeout():
		knock.Says = "silence"
	default:
		knock.Says = fmt.Sprint(err)
	}
	return knock
}
