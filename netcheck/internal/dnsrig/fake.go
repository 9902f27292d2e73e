package dnsrig

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"testing"

	"github.com/miekg/dns"
)

// Fake is a server by UDP that answers each packet with what answer makes of it.
func Fake(t *testing.T, answer func(query []byte) [][]byte) netip.AddrPort {
	t.Helper()
	conn := listen(t)
	var group sync.WaitGroup
	group.Go(func() {
		buf := make([]byte, 4096)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(buf)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			for _, packet := range answer(buf[:n]) {
				_, _ = conn.WriteToUDPAddrPort(packet, from)
			}
		}
	})
	t.Cleanup(func() { _ = conn.Close(); group.Wait() })
	return conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

// listen takes a free port, or another where somebody else was quicker.
func listen(t *testing.T) *net.UDPConn {
	t.Helper()
	var err error
	for range 10 {
		var conn *net.UDPConn
		if conn, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(FreePort(t))); err == nil {
			return conn
		}
	}
	t.Fatal(err)
	return nil
}

// Reply is the answer to query after edit has worked on it.
func Reply(query []byte, edit func(m *dns.Msg)) []byte {
	q := new(dns.Msg)
	if err := q.Unpack(query); err != nil {
		return nil
	}
	m := new(dns.Msg).SetReply(q)
	m.RecursionAvailable = true
	edit(m)
	raw, err := m.Pack()
	if err != nil {
		return nil
	}
	return raw
}

// DenyAll answers that there is no such name.
func DenyAll(query []byte) [][]byte {
	return [][]byte{Reply(query, func(m *dns.Msg) { m.Rcode = dns.RcodeNameError })}
}

// AnswerA answers any question with an address.
func AnswerA(addr string) func([]byte) [][]byte {
	return func(query []byte) [][]byte {
		return [][]byte{Reply(query, func(m *dns.Msg) { AddA(m, m.Question[0].Name, addr) })}
	}
}

// AddA adds an address to an answer.
func AddA(m *dns.Msg, name, addr string) {
	m.Answer = append(m.Answer, &dns.A{A: net.ParseIP(addr),
		Hdr: dns.RR_Header{Name: name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 60}})
}
