package netcheck

import (
	"bufio"
	"bytes"
	"io"
	"maps"
	"net"
	"strings"
	"time"
)

// endlessly writes the words and then the same again and again, until nobody reads any more.
func endlessly(head, again string) hostility {
	return func(conn net.Conn, _ []byte) {
		if _, err := io.WriteString(conn, head); err != nil {
			return
		}
		for block := []byte(strings.Repeat(again, 1+(16<<10)/len(again))); ; {
			if _, err := conn.Write(block); err != nil {
				return
			}
		}
	}
}

// dripping writes one octet each 50 ms.
func dripping(head, again string) hostility {
	return func(conn net.Conn, _ []byte) {
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for words := bufio.NewReader(io.MultiReader(strings.NewReader(head), endlessReader(again))); ; <-tick.C {
			octet, _ := words.ReadByte()
			if _, err := conn.Write([]byte{octet}); err != nil {
				return
			}
		}
	}
}

// endlessReader reads the same again and again.
type endlessReader string

func (e endlessReader) Read(p []byte) (int, error) { return copy(p, e), nil }

// saying says the words, and stays.
func saying(words string) hostility {
	return func(conn net.Conn, _ []byte) {
		_, _ = io.WriteString(conn, words)
		_, _ = io.Copy(io.Discard, conn)
	}
}

// plausible is how an answer at a door begins, and what may go on for ever.
func plausible(at door) (head, again string) {
	switch at {
	case doorTLS:
		return "", "\x16\x03\x03\x00\x04\x02\x00\xff\xff"
	case doorHTTP, doorProxy:
		return "HTTP/1.1 200 OK\r\n", "X: y\r\n"
	case doorDoH:
		return "HTTP/1.1 200 OK\r\nContent-Type: application/dns-message\r\n\r\n", "\x00"
	case doorIssuer:
		return "HTTP/1.1 200 OK\r\nContent-Type: application/pkix-cert\r\n\r\n", "\x30\x82\xff\xff"
	case doorDNSTCP, doorDoT:
		return "\xff\xff", "\x00\x00\x81\x80"
	default:
		return "\x30\x84\x00\x0f\xff\xff", "\x02\x01\x01\x30"
	}
}

// hostilities are what servers do at each door, and what they do at one alone.
func hostilities() map[string]map[door]hostility {
	all := map[string]map[door]hostility{
		"silence": {}, "drip": {}, "drip of garbage": {}, "flood": {}, "flood of 0": {}, "flood of 0xff": {}, "text": {},
		"hang-up": {},
	}
	for _, at := range allDoors() {
		head, again := plausible(at)
		all["silence"][at] = saying("")
		all["drip"][at], all["flood"][at] = dripping(head, again), endlessly(head, again)
		all["drip of garbage"][at] = dripping("", "\xaa")
		all["flood of 0"][at], all["flood of 0xff"][at] = endlessly("", "\x00"), endlessly("", "\xff")
		all["text"][at] = endlessly("", "220 \x1b[2J\u202e\x00<0>mail\r\n")
		all["hang-up"][at] = func(net.Conn, []byte) {}
	}
	maps.Copy(all, hostileTLS())
	maps.Copy(all, hostileHTTP())
	maps.Copy(all, hostileLDAP())
	all["a name that is a loop"] = map[door]hostility{doorDNSTCP: loopingName, doorDoT: loopingName}
	return all
}

func hostileTLS() map[string]map[door]hostility {
	return map[string]map[door]hostility{
		"alerts without end": {doorTLS: endlessly("", "\x15\x03\x03\x00\x02\x01\x5a")},
		"empty records":      {doorTLS: endlessly("", "\x16\x03\x03\x00\x00")},
		"hello requests":     {doorTLS: endlessly("", "\x16\x03\x03\x00\x04\x00\x00\x00\x00")},
		"change of cipher":   {doorTLS: endlessly("", "\x14\x03\x03\x00\x01\x01")},
	}
}

func hostileHTTP() map[string]map[door]hostility {
	const ok, asDNS = "HTTP/1.1 200 OK\r\n", "Content-Type: application/dns-message\r\n"
	interim, header := endlessly("", "HTTP/1.1 103 x\r\n\r\n"), endlessly(ok+"X: ", "y")
	chunked := ok + asDNS + "Transfer-Encoding: chunked\r\n\r\n"
	return map[string]map[door]hostility{
		"interim answers": {doorHTTP: interim, doorProxy: interim, doorDoH: interim, doorIssuer: interim},
		"chunks without end": {
			doorDoH: endlessly(chunked, "1;x=y\r\nz\r\n"), doorIssuer: endlessly(chunked, "1\r\nz\r\n"),
		},
		"one endless header": {
			doorHTTP: header, doorDoH: header, doorIssuer: header,
			doorProxy: endlessly("HTTP/1.1 407 x\r\nProxy-Authenticate: ", "Basic, "),
		},
		"gzip": {doorDoH: endlessly(ok+asDNS+"Content-Encoding: gzip\r\n\r\n", "\x1f\x8b")},
	}
}

func hostileLDAP() map[string]map[door]hostility {
	const sequence = "\x30\x83\x0f\xff\xff"
	notice := again(0, tlv(0x78, tlv(0x0a, []byte{0}), tlv(0x04), tlv(0x04)))
	referrals := tlv(0x65, tlv(0x0a, []byte{10}), tlv(0x04), tlv(0x04),
		tlv(0xa3, bytes.Repeat(tlv(0x04, []byte("ldaps://x.test/")), 60_000)))
	return map[string]map[door]hostility{
		"deep BER": {
			doorBind: endlessly(sequence, "\x30\x82\xff\xf0"), doorExternal: endlessly(sequence, "\x30\x80"),
			doorStartTLS: endlessly(sequence, "\x30\x80"),
		},
		"huge BER length": {
			doorBind: saying("\x30\x84\xff\xff\xff\xff\x02"), doorSearch: saying("\x30\x84\x7f\xff\xff\xff\x02"),
			doorStartTLS: saying("\x30\x88\x80\x00\x00\x00\x00\x00\x00\x00"),
		},
		"overlong BER length": {
			doorBind:     saying("\x30\x8f" + strings.Repeat("\x00", 15)),
			doorStartTLS: saying("\x30\xff" + strings.Repeat("\x00", 127)),
		},
		"notices without end": {doorBind: notice, doorSearch: notice},
		"other answers":       {doorBind: again(9, result(0x61, 0, "")), doorSearch: again(9, entry("cn=x"))},
		"entries without end": {doorSearch: again(3, entry("cn=x,dc=test"))},
		"references":          {doorSearch: again(3, tlv(0x73, tlv(0x04, []byte("ldap://\x1b[2J.test/"))))},
		"referrals":           {doorSearch: saying(string(message(3, referrals)))},
	}
}

func again(id int64, op []byte) hostility { return endlessly("", string(message(id, op))) }

// loopingName answers a question with records whose name leads to itself (RFC 1035 section 4.1.4).
func loopingName(conn net.Conn, asked []byte) {
	if len(asked) < 14 {
		return
	}
	answer := append(append([]byte{}, asked[2:4]...), 0x81, 0x80, 0, 1, 0xff, 0xff, 0, 0, 0, 0)
	answer = append(answer, bytes.Repeat([]byte{0xc0, 12}, 100)...)
	_, _ = conn.Write(append([]byte{byte(len(answer) >> 8), byte(len(answer))}, answer...))
	_, _ = io.Copy(io.Discard, conn)
}
