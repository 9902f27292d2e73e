package config

import (
	"net/netip"
	"testing"
	"time"
)

func TestParseDuration(t *testing.T) {
	for _, test := range []struct {
		text string
		want time.Duration
		ok   bool
	}{
		{"100ms", 100 * time.Millisecond, true},
		{"30s", 30 * time.Second, true},
		{"1h30m", 90 * time.Minute, true},
		{"1.5h", 90 * time.Minute, true},
		{"21d", 21 * 24 * time.Hour, true},
		{"2w", 14 * 24 * time.Hour, true},
		{"1d12h", 36 * time.Hour, true},
		{"0s", 0, true},
		{"5us", 5 * time.Microsecond, true},
		{"5µs", 5 * time.Microsecond, true},
		{"7ns", 7, true},
		{"0.1s", 100 * time.Millisecond, true},
		{"", 0, false},
		{"30", 0, false},
		{"s", 0, false},
		{"-5s", 0, false},
		{"+5s", 0, false},
		{"5 s", 0, false},
		{"5S", 0, false},
		{"5y", 0, false},
		{".5s", 0, false},
		{"5.s", 0, false},
		{"1.2.3s", 0, false},
		{"1e3s", 0, false},
		{"0x10s", 0, false},
		{"300000000000d", 0, false},
		{"99999999999999999999999999999999999999999999999999999999999999s", 0, false},
		{"5s5", 0, false},
	} {
		got, ok := parseDuration(test.text)
		if got != test.want || ok != test.ok {
			t.Errorf("%q: %v, %v, want %v, %v", test.text, got, ok, test.want, test.ok)
		}
	}
}

func TestParsePorts(t *testing.T) {
	for _, test := range []struct {
		text string
		want Ports
	}{
		{"22/tcp", Ports{"tcp", 22, 22}},
		{"1-65535/udp", Ports{"udp", 1, 65535}},
		{"8000-8000/udp", Ports{"udp", 8000, 8000}},
	} {
		if got, message, _ := parsePorts(test.text); got != test.want || message != "" {
			t.Errorf("%q: %+v, %s", test.text, got, message)
		}
	}
	for _, text := range []string{"", "22", "/tcp", "22/", "22/TCP", "0/tcp", "65536/tcp", "2-1/tcp", "1-2-3/tcp",
		"-1/tcp",
		"+1/tcp", "1_0/tcp", " 22/tcp", "22/tcp/udp", "22-/tcp", "0x16/tcp", "99999999999999999999/tcp"} {
		if got, message, mend := parsePorts(text); message == "" || mend == "" {
			t.Errorf("%q is read as %+v (%q, %q)", text, got, message, mend)
		}
	}
}

func TestParsePrefix(t *testing.T) {
	for text, want := range map[string]string{
		"10.20.0.0/24":     "10.20.0.0/24",
		"10.20.0.7":        "10.20.0.7/32",
		"10.20.0.7/32":     "10.20.0.7/32",
		"128.0.0.0/1":      "128.0.0.0/1",
		"2001:db8::/32":    "2001:db8::/32",
		"2001:DB8:0::7":    "2001:db8::7/128",
		"fe80::/10":        "fe80::/10",
		"2001:db8::1/128":  "2001:db8::1/128",
		"255.255.255.255":  "255.255.255.255/32",
		"2001:db8:20::/64": "2001:db8:20::/64",
	} {
		if got, message, _ := parsePrefix(text); message != "" || got != netip.MustParsePrefix(want) {
			t.Errorf("%q: %v, %s", text, got, message)
		}
	}
	for _, text := range []string{"", "any", "10.20.0.5/24", "10.20.0.0/33", "10.20.0.0/-1", "10.20.0.0/024", "::/0",
		"0.0.0.0/0", "0.0.0.0", "::", "::ffff:10.0.0.1", "::ffff:10.0.0.0/120", "fe80::1%eth0", "ff02::1",
		"224.0.0.0/4", "010.0.0.1",
		"10.0.0",
		"example.com", "2001:db8::1/64", "10.0.0.0/8/8", "10.0.0.0/"} {
		if got, message, mend := parsePrefix(text); message == "" || mend == "" {
			t.Errorf("%q is read as %v (%q, %q)", text, got, message, mend)
		}
	}
}

func TestShort(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 100 * time.Millisecond: "100ms", time.Minute: "1m", 90 * time.Second: "90s", 7 * day: "7d",
		36 * time.Hour: "36h",
	} {
		if got := short(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}

func TestNearest(t *testing.T) {
	words := []string{"interval", "timeout", "fail_after", "name"}
	for word, want := range map[string]string{
		"intervall": "interval", "Timeout": "timeout", "fail-after": "fail_after", "anme": "name", "logs": "", "": "",
		"name\x00": "name", string(make([]byte, 5000)): "",
	} {
		if got := nearest(word, words); got != want {
			t.Errorf("%.20q: %q, want %q", word, got, want)
		}
	}
}

func TestReverse(t *testing.T) {
	for addr, want := range map[string]string{
		"192.0.2.7": "7.2.0.192.in-addr.arpa",
		// RFC 3596 section 2.5
		"2001:db8::567:89ab": "b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
	} {
		if got := reverse(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: %s, want %s", addr, got, want)
		}
	}
}

func TestTidyNameIsAName(t *testing.T) {
	for text, want := range map[string]string{"SSH admins": "ssh-admins", "1st": "st", "ssh": "ssh", "-": "", "é": "",
		"a.b_c-": "a-b-c"} {
		if got := tidyName(text); got != want || tidyName(got) != got {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
