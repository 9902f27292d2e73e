package netcheck

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"sallyport/check"
	"sallyport/netcheck/internal/dnsrig"
)

// TestDNSHostile asks servers that forge, garble, cut short and lie. Each run ends within its deadline.
func TestDNSHostile(t *testing.T) {
	t.Parallel()
	good := func(query []byte) []byte { return dnsrig.AnswerA("192.0.2.1")(query)[0] }
	tests := []struct {
		name   string
		answer func(query []byte) [][]byte
		cause  check.Cause
		detail string
	}{
		{"garbage", func([]byte) [][]byte {
			return [][]byte{[]byte("SSH-2.0-OpenSSH_9.2\r\n")}
		}, check.DNSTimeout, "no answer"},
		{"one octet", func([]byte) [][]byte { return [][]byte{{1}} }, check.DNSMalformed, "header"},
		{"garbage with our id", func(q []byte) [][]byte {
			return [][]byte{append(q[:2:2], []byte("\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00\xff\xff\xff")...)}
		}, check.DNSMalformed, "no DNS message"},
		{"our own question back", func(q []byte) [][]byte { return [][]byte{q} }, check.DNSMalformed, "no response"},
		{"another question", func(q []byte) [][]byte {
			return [][]byte{dnsrig.Reply(q, func(m *dns.Msg) {
				m.Question[0].Name = "evil\x1b[2J.example."
				dnsrig.AddA(m, m.Question[0].Name, "203.0.113.66")
			})}
		}, check.DNSMalformed, "another question"},
		{"no question", func(q []byte) [][]byte {
			return [][]byte{dnsrig.Reply(q, func(m *dns.Msg) {
				m.Question = nil
				dnsrig.AddA(m, "www.zone.test.", "203.0.113.66")
			})}
		}, check.DNSMalformed, "0 questions"},
		{"a bare refusal", func(q []byte) [][]byte {
			return [][]byte{dnsrig.Reply(q, func(m *dns.Msg) { m.Question, m.Rcode = nil, dns.RcodeRefused })}
		}, check.DNSRefused, "REFUSED"},
		{"records of another name", func(q []byte) [][]byte {
			return [][]byte{dnsrig.Reply(q, func(m *dns.Msg) { dnsrig.AddA(m, "other.zone.test.", "203.0.113.66") })}
		}, check.DNSMalformed, "other names"},
		{"cut short without saying so", func(q []byte) [][]byte {
			raw := dnsrig.Reply(q, func(m *dns.Msg) {
				for range 60 {
					dnsrig.AddA(m, "www.zone.test.", "192.0.2.1")
				}
			})
			end := len(raw) - 44*(len("www.zone.test.")+1+14)
			return [][]byte{raw[:end]}
		}, check.DNSMalformed, "promises 60 records"},
		{"a lame server", func(q []byte) [][]byte {
			return [][]byte{dnsrig.Reply(q, func(m *dns.Msg) {
				m.RecursionAvailable = false
				m.Ns = append(m.Ns, &dns.NS{Ns: "a.root-servers.net.",
					Hdr: dns.RR_Header{Name: ".", Rrtype: dns.TypeNS, Class: dns.ClassINET, Ttl: 60}})
			})}
		}, check.DNSRefused, "recursion"},
		{"an alias that leads back", func(q []byte) [][]byte {
			return [][]byte{dnsrig.Reply(q, func(m *dns.Msg) {
				const here, there = "www.zone.test.", "b.zone.test."
				for _, hop := range [][2]string{{here, there}, {there, here}} {
					m.Answer = append(m.Answer, &dns.CNAME{Target: hop[1],
						Hdr: dns.RR_Header{Name: hop[0], Rrtype: dns.TypeCNAME, Class: dns.ClassINET, Ttl: 60}})
				}
			})}
		}, check.DNSDangling, "back to itself"},
		{"an alias of ever another name", func(q []byte) [][]byte {
			return [][]byte{dnsrig.Reply(q, func(m *dns.Msg) {
				name := m.Question[0].Name
				m.Answer = append(m.Answer, &dns.CNAME{Target: "x." + name,
					Hdr: dns.RR_Header{Name: name, Rrtype: dns.TypeCNAME, Class: dns.ClassINET, Ttl: 60}})
			})}
		}, check.DNSDangling, "more than 16 links"},
		{"truncated, and no TCP", func(q []byte) [][]byte {
			return [][]byte{dnsrig.Reply(q, func(m *dns.Msg) { m.Truncated = true })}
		}, check.DNSUnreachable, "refuses"},
		{"forged first, then true", func(q []byte) [][]byte {
			forged := dnsrig.Reply(q, func(m *dns.Msg) { m.Id++; dnsrig.AddA(m, "www.zone.test.", "203.0.113.66") })
			garbled := append(q[:2:2], 0xff, 0xff, 0xff)
			return [][]byte{forged, garbled, good(q)}
		}, "", "192.0.2.1"},
		{"does not know EDNS0", func(q []byte) [][]byte {
			m := new(dns.Msg)
			if err := m.Unpack(q); err != nil || m.IsEdns0() == nil {
				return [][]byte{good(q)}
			}
			return [][]byte{dnsrig.Reply(q, func(m *dns.Msg) { m.Rcode = dns.RcodeFormatError })}
		}, "", "192.0.2.1"},
		{"a flood of other ids", func(q []byte) [][]byte {
			other := dnsrig.Reply(q, func(m *dns.Msg) { m.Id++ })
			flood := make([][]byte, 2*64)
			for i := range flood {
				flood[i] = other
			}
			return flood
		}, check.DNSMalformed, "flood"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			const timeout = 400 * time.Millisecond
			server := dnsrig.Fake(t, tt.answer)
			target := DNSTarget{Query: "www.zone.test", Type: "A", Servers: at(server)}
			r := inTime(t, timeout, DNS(target))
			if r.Cause != tt.cause || !strings.Contains(r.Detail, tt.detail) {
				t.Errorf("got %q: %s; want %q with %q", r.Cause, r.Detail, tt.cause, tt.detail)
			}
			if i := strings.IndexFunc(r.Detail, func(r rune) bool { return r < ' ' || r > '~' }); i >= 0 {
				t.Errorf("detail %q has a raw character at %d", r.Detail, i)
			}
		})
	}
}

// TestDNSLostPacket holds that one or two lost packets are no alarm.
func TestDNSLostPacket(t *testing.T) {
	t.Parallel()
	const tries = 3
	seen := 0
	server := dnsrig.Fake(t, func(q []byte) [][]byte {
		if seen++; seen < tries {
			return nil
		}
		return dnsrig.AnswerA("192.0.2.1")(q)
	})
	r := askWWW(t, time.Second, server)
	if r.Status != check.OK || r.Evidence.(DNSEvidence).Servers[0].Tries != tries {
		t.Errorf("got %s %q: %s after %+v; want ok at try %d", r.Status, r.Cause, r.Detail, r.Evidence, tries)
	}
}

// TestDNSTCPFaults answers by UDP that the answer is too large, and then fails by TCP.
func TestDNSTCPFaults(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		serve func(conn net.Conn)
		cause check.Cause
	}{
		{"silence", func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }, check.DNSTimeout},
		{"closed", func(conn net.Conn) { _, _ = conn.Read(make([]byte, 1<<16)) }, check.DNSMalformed},
		{"half an answer", says([]byte{0, 100, 1, 2, 3}), check.DNSMalformed},
		{"too short", says([]byte{0, 3, 1, 2, 3}), check.DNSMalformed},
		{"another id", says(append([]byte{0, 12}, make([]byte, 12)...)), check.DNSMalformed},
		{"truncated again", func(conn net.Conn) {
			buf := make([]byte, 1<<16)
			n, _ := conn.Read(buf)
			raw := dnsrig.Reply(buf[2:n], func(m *dns.Msg) { m.Truncated = true })
			_, _ = conn.Write(binary.BigEndian.AppendUint16(nil, uint16(len(raw))))
			_, _ = conn.Write(raw)
		}, check.DNSMalformed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server := dnsrig.Fake(t, func(q []byte) [][]byte {
				return [][]byte{dnsrig.Reply(q, func(m *dns.Msg) { m.Truncated = true })}
			})
			serveTCP(t, server, tt.serve)
			r := askWWW(t, 400*time.Millisecond, server)
			if r.Cause != tt.cause {
				t.Errorf("got %q: %s; want %q", r.Cause, r.Detail, tt.cause)
			}
		})
	}
}

// says sends that, whatever was asked.
func says(raw []byte) func(net.Conn) { return func(conn net.Conn) { _, _ = conn.Write(raw) } }

// serveTCP hands each connection to server's port to serve, and closes it after.
func serveTCP(t *testing.T, server netip.AddrPort, serve func(net.Conn)) {
	t.Helper()
	l, err := net.Listen("tcp", server.String())
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	group.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			group.Go(func() { defer func() { _ = conn.Close() }(); serve(conn) })
		}
	})
	t.Cleanup(func() { _ = l.Close(); group.Wait() })
}

// TestDNSHostileService names more targets than anybody asks for, none of which is answered: the run ends in time.
func TestDNSHostileService(t *testing.T) {
	t.Parallel()
	asked := make(chan string, 10_000)
	server := dnsrig.Fake(t, func(q []byte) [][]byte {
		return [][]byte{dnsrig.Reply(q, func(m *dns.Msg) {
			asked <- m.Question[0].Name
			if m.Question[0].Qtype != dns.TypeSRV {
				m.Rcode = dns.RcodeServerFailure
				return
			}
			for i := range 120 {
				target := fmt.Sprintf("d%d.", i)
				m.Answer = append(m.Answer, &dns.SRV{Target: target, Port: 636,
					Hdr: dns.RR_Header{Name: m.Question[0].Name, Rrtype: dns.TypeSRV, Class: dns.ClassINET, Ttl: 60}})
			}
			m.Compress = true
		})}
	})
	r := DNS(DNSTarget{Query: "_ldaps._tcp.zone.test", Type: "SRV", Servers: at(server)})(withTimeout(t, 2*time.Second))
	e := r.Evidence.(DNSEvidence).Servers[0]
	if r.Cause != check.DNSDangling || len(e.Targets) != 32 || len(asked) > 1+2*32 {
		t.Errorf("%q: %s; %d targets by %d questions", r.Cause, r.Detail, len(e.Targets), len(asked))
	}
}
