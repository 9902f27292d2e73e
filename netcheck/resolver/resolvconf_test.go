package resolver

import (
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// FuzzConf holds that whatever stands in a resolv.conf, what is taken from it is bounded, and can be asked.
func FuzzConf(f *testing.F) {
	f.Add("nameserver 192.0.2.1\nsearch a.test b.test\noptions ndots:3 timeout:1 attempts:2\n", "www")
	f.Add("nameserver fe80::1%eth0\n; nothing\nsearch \x1b[2J ..\noptions ndots:-1 ndots:99999999999", "..")
	f.Add(strings.Repeat("nameserver 192.0.2.1\nsearch x\n", 10), "a.b.c.")
	f.Fuzz(func(t *testing.T, text, name string) {
		conf, err := parseConf(strings.NewReader(text), "resolv.conf")
		if err != nil {
			return
		}
		if n := len(conf.Servers); n == 0 || n > maxResolvers {
			t.Errorf("%d servers", n)
		}
		questions := conf.Questions(Question{Name: "x.", Type: dns.TypeA}, name)
		if n := len(questions); n == 0 || n > maxSearched {
			t.Errorf("%d names", n)
		}
		for _, q := range questions {
			if _, err := q.message().Pack(); err != nil || !printable(q.String()) {
				t.Errorf("%q: %v", q.Name, err)
			}
		}
	})
}
