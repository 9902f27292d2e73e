package history

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"sallyport/check"
)

func TestText(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	forged := change("a", at, "two\nlines")
	e := NewExcerpt([]check.Transition{forged}, []Knock{
		{From: netip.MustParseAddr("192.0.2.9"), Protocol: 6, Port: 22, Packets: 3, First: at, Last: at.Add(time.Minute)},
		{From: netip.MustParseAddr("2001:db8::1"), Protocol: 132, Port: 7, Packets: 1, First: at, Last: at},
	})
	var b strings.Builder
	if err := e.Text(&b); err != nil {
		t.Fatal(err)
	}
	const want = `2026-01-02T03:04:05Z  a  ok -> fail  cert.expired  two\nlines

who knocked  port    packets  first                 last
192.0.2.9    22/tcp  3        2026-01-02T03:04:05Z  2026-01-02T03:05:05Z
2001:db8::1  7/132   1        2026-01-02T03:04:05Z  2026-01-02T03:04:05Z
`
	if got := b.String(); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	b.Reset()
	if err := NewExcerpt(nil, nil).Text(&b); err != nil || b.String() != "nothing happened in that time\n" {
		t.Errorf("%q, %v", b.String(), err)
	}
}

func TestJSON(t *testing.T) {
	var b strings.Builder
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	knock := Knock{From: netip.MustParseAddr("192.0.2.9"), Protocol: 17, Port: 53, Packets: 3, First: at, Last: at}
	if err := NewExcerpt(nil, []Knock{knock}).JSON(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"schema": 1`, `"transitions": []`, `"port": "53/udp"`, `"from": "192.0.2.9"`} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %s in %s", want, b.String())
		}
	}
}
