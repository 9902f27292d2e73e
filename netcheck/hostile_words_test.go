package netcheck

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"net"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/miekg/dns"

	"sallyport/check"
	"sallyport/netcheck/internal/dnsrig"
	"sallyport/report/document"
	"sallyport/report/junit"
	"sallyport/report/metrics"
	"sallyport/report/nagios"
	"sallyport/report/sarif"
	"sallyport/report/term"
	"sallyport/tlsprobe/tlsprobetest"
)

// expectClean holds that nothing which could act on a terminal, a log or a reader stands raw in a result: neither in one
// of its values, however deep, nor in what is made of it.
func expectClean(t *testing.T, name string, r check.Result) {
	t.Helper()
	c := check.Check{Name: "hostile", Kind: check.KindTLS, Target: "hostile.test"}
	r = c.Complete(r, time.Now(), time.Second)
	walk(reflect.ValueOf(r), "result", func(path, text string) {
		if at := raw(text, false); at != "" {
			t.Errorf("%s: %s has %s: %.200q", name, path, at, text)
		}
	})
	for form, text := range rendered(t, r) {
		if at := raw(text, true); at != "" {
			t.Errorf("%s: %s has %s", name, form, at)
		}
	}
}

// raw is the first character of a text that is not to be shown as it is; empty for none. Of control characters, what is
// written for people has ends of lines.
func raw(text string, lines bool) string {
	for i, c := range text {
		if lines && (c == '\n' || c == '\t') {
			continue
		}
		if unicode.IsControl(c) || unicode.Is(unicode.Cf, c) || unicode.Is(unicode.Zl, c) || unicode.Is(unicode.Zp, c) ||
			c == unicode.ReplacementChar || unicode.Is(unicode.Co, c) {
			return fmt.Sprintf("%U at %d", c, i)
		}
	}
	return ""
}

// walk visits every text in a value.
func walk(v reflect.Value, path string, visit func(path, text string)) {
	switch v.Kind() {
	case reflect.String:
		visit(path, v.String())
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			walk(v.Elem(), path, visit)
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			walk(v.Index(i), fmt.Sprintf("%s[%d]", path, i), visit)
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			walk(key, path+" key", visit)
			walk(v.MapIndex(key), fmt.Sprintf("%s[%v]", path, key), visit)
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return
		}
		for i := range v.NumField() {
			walk(v.Field(i), path+"."+v.Type().Field(i).Name, visit)
		}
	}
}

// rendered is a result in every form in which a command shows it. In JSON, the texts are those that a reader has after
// decoding.
func rendered(t *testing.T, r check.Result) map[string]string {
	t.Helper()
	d := document.New("test", "host.test", time.Now(), []check.Result{r})
	forms := map[string]string{}
	write := func(form string, err error, b *bytes.Buffer) {
		t.Helper()
		if err != nil {
			t.Errorf("%s: %v", form, err)
		}
		forms[form] = b.String()
	}
	var text, nag, junitXML, prom bytes.Buffer
	write("text", term.Text(&text, d, term.Options{}), &text)
	write("nagios", nagios.Write(&nag, d), &nag)
	write("junit", junit.Write(&junitXML, d), &junitXML)
	write("metrics", metrics.WriteOnce(&prom, "test", []check.Result{r}), &prom)
	var plain, log bytes.Buffer
	for form, err := range map[string]error{"json": document.JSON(&plain, d), "sarif": sarif.Write(&log, d)} {
		decoded := any(nil)
		source := map[string]*bytes.Buffer{"json": &plain, "sarif": &log}[form]
		if err != nil || json.Unmarshal(source.Bytes(), &decoded) != nil {
			t.Errorf("%s: %v: %s", form, err, source)
		}
		forms[form] = source.String()
		walk(reflect.ValueOf(decoded), form, func(path, text string) {
			if at := raw(text, true); at != "" {
				t.Errorf("%s at %s has %s", form, path, at)
			}
		})
	}
	return forms
}

// evil are characters that act on terminals, logs, pages and readers; evilASCII those of them that fit everywhere.
const (
	evilASCII = "\x1b[2J\x07\r\n<0>forged\x7f\t"
	evil      = evilASCII + "\u202e\u2066\u200b\u0085\u2028\ufeff\U000e0041"
)

// words is a server that speaks well but for its words, and what else the check asks.
type words struct {
	at   door
	act  hostility
	want check.Layer // of the cause; empty where nothing is wrong
}

// TestHostileWords has servers put what acts on a reader into every string that they control.
func TestHostileWords(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	for name, w := range hostileWords() {
		run, err := s.open(t, w.at, w.act).run()
		if err != nil {
			t.Fatal(err)
		}
		r := run(withTimeout(t, 2*time.Second))
		if r.Cause.Layer() != w.want {
			t.Errorf("%s: %s %q: %s", name, r.Status, r.Cause, r.Detail)
		}
		expectClean(t, name, r)
	}
}

func hostileWords() map[string]words {
	octets := func(s string) []byte { return tlv(0x04, []byte(s)) }
	attribute := func(name string) []byte { return tlv(0x30, octets(name), tlv(0x31, octets(evil), octets(evil))) }
	said := func(op byte, code byte) []byte {
		return tlv(op, tlv(0x0a, []byte{code}), octets(evil), octets(evil), tlv(0xa3, octets("ldaps://"+evil)))
	}
	all := map[string]words{
		"HTTP": {doorHTTP, saying("HTTP/1.1 500 no\x1b[2J\u202e\r\nServer: \u2066x\u202e\r\n" +
			"Location: http://\u200b/\r\n\r\n"), check.LayerHTTP},
		"proxy": {doorProxy, saying("HTTP/1.1 407 no\u202e\r\nProxy-Authenticate: Ba\u202esic x=\"\u2066\"\r\n\r\n"),
			check.LayerProxy},
		"proxy that denies": {doorProxy, saying("HTTP/1.1 403 no\x1b[2J\u202e\r\nX-Squid-Error: \u2066\x1b 0\r\n\r\n"),
			check.LayerProxy},
		"plaintext": {doorTLS, saying("220 " + evil), check.LayerTLS},
		"DoH's status": {doorDoH, saying("HTTP/1.1 500 no\x1b[2J\u202e\r\nContent-Length: 0\r\n\r\n"),
			check.LayerHTTP},
		"DoH's type": {doorDoH, saying("HTTP/1.1 200 OK\r\nContent-Type: \u202e/\u2066\r\n\r\n"), check.LayerHTTP},
		"StartTLS":   {doorStartTLS, saying(string(message(1, said(0x78, 52)))), check.LayerLDAP},
		"bind":       {doorBind, saying(string(message(1, said(0x61, 53)))), check.LayerLDAP},
		"bind refused": {doorExternal, saying(string(message(1, result(0x61, 49,
			"80090308: LdapErr: comment: AcceptSecurityContext error, data \u202e, v\x1b")))), check.LayerLDAP},
		"search":    {doorSearch, saying(string(message(3, said(0x65, 1)))), check.LayerLDAP},
		"referral":  {doorSearch, saying(string(message(3, said(0x65, 10)))), check.LayerLDAP},
		"end of it": {doorSearch, saying(string(message(0, said(0x78, 52)))), check.LayerLDAP},
		"references": {doorSearch, saying(string(append(message(3, tlv(0x73, octets("ldaps://"+evil))),
			message(3, said(0x65, 0))...))), check.LayerLDAP},
	}
	var attributes []byte
	for _, name := range []string{"vendorName", "vendorVersion", "supportedLDAPVersion", "namingContexts", "dnsHostName",
		"supportedSASLMechanisms", "dsServiceName", "currentTime"} {
		attributes = append(attributes, attribute(name)...)
	}
	dse := tlv(0x64, octets(evil), tlv(0x30, attributes))
	all["rootDSE"] = words{doorBind, func(conn net.Conn, _ []byte) {
		_, _ = conn.Write(message(1, result(0x61, 0, evil)))
		_ = heard(conn)
		_, _ = conn.Write(append(message(2, dse), message(2, said(0x65, 0))...))
		_ = heard(conn)
		_, _ = conn.Write(append(message(3, entry(evil)), message(3, said(0x65, 0))...))
		_ = heard(conn)
	}, check.LayerLDAP}
	return all
}

// TestHostileCertificates has the words in certificates, and certificates that are dear to judge: also those end in time.
func TestHostileCertificates(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	named := func(c *x509.Certificate) {
		all := []string{evil, strings.Repeat(evil, 50)}
		c.Subject = pkix.Name{CommonName: evil, Organization: all, Country: all, Locality: all, SerialNumber: evilASCII}
		c.Subject.ExtraNames = []pkix.AttributeTypeAndValue{{Type: []int{1, 2, 3, 4}, Value: evil}}
		c.DNSNames = []string{evilASCII, "*." + evilASCII, "localhost"}
		c.IssuingCertificateURL, c.OCSPServer = []string{"http://" + evilASCII}, []string{"http://" + evilASCII}
		c.CRLDistributionPoints = []string{"http://" + evilASCII}
	}
	signer := sign(t, newKey(t), s.root, asAuthority("x"), func(c *x509.Certificate) { c.Subject.CommonName = evil })
	bound := sign(t, newKey(t), s.root, asAuthority("y"), func(c *x509.Certificate) {
		c.ExcludedDNSDomains, c.ExcludedURIDomains = []string{"localhost"}, []string{"x.test"}
	})
	elsewhere := func(c *x509.Certificate) { named(c); c.DNSNames, c.IPAddresses = c.DNSNames[:2], nil }
	many := make([]string, 20_000)
	for i := range many {
		many[i] = fmt.Sprintf("%x", i)
	}
	for name, chain := range map[string][]*paper{
		"trusted":           {s.leaf(t, named), s.intermediate},
		"another name":      {s.leaf(t, elsewhere), s.intermediate},
		"of no authority":   {sign(t, newKey(t), nil, named)},
		"expired":           {s.leaf(t, named, lasting(-20*oneDay, -oneDay)), s.intermediate},
		"of such an issuer": {sign(t, newKey(t), signer), signer},
		"issuer not sent":   {sign(t, newKey(t), signer, named)},
		"beside the chain":  {s.leaf(t), s.intermediate, sign(t, newKey(t), nil, named)},
		"out of bounds":     {sign(t, newKey(t), bound, named), bound},
		"20000 names":       {s.leaf(t, func(c *x509.Certificate) { c.DNSNames = many }), s.intermediate},
		"20000 attributes": {s.leaf(t, func(c *x509.Certificate) {
			c.Subject = pkix.Name{Organization: many[:5000], Country: many[:1000]}
		})},
	} {
		config := &tls.Config{Certificates: []tls.Certificate{tlsprobetest.Chain(chain...)}}
		port := startTCP(t, func(conn *net.TCPConn) { _ = tls.Server(conn, config).Handshake(); untilClosed(conn) })
		const deadline = time.Second
		var r check.Result
		if late := overdue(deadline, func(ctx context.Context) { r = TLS(localTarget(port, s.roots))(ctx) }); late > 0 {
			t.Errorf("%s: %s too late", name, late)
		}
		well := name == "trusted" || name == "beside the chain" || name == "of such an issuer"
		if (r.Status == check.OK) != well || strings.HasPrefix(string(r.Cause), "unknown") {
			t.Errorf("%s: %s %q: %s", name, r.Status, r.Cause, r.Detail)
		}
		expectClean(t, name, r)
	}
}

// TestHostileAnswers has a name server put them into what it answers.
func TestHostileAnswers(t *testing.T) {
	t.Parallel()
	label := `\027[2J\013\010<0>\226\128\174`
	header := func(rtype uint16) dns.RR_Header {
		return dns.RR_Header{Name: "www.zone.test.", Rrtype: rtype, Class: dns.ClassINET, Ttl: 60}
	}
	records := map[string]dns.RR{
		"TXT":   &dns.TXT{Hdr: header(dns.TypeTXT), Txt: []string{label, evil}},
		"CNAME": &dns.CNAME{Hdr: header(dns.TypeCNAME), Target: label + ".zone.test."},
		"SRV":   &dns.SRV{Hdr: header(dns.TypeSRV), Target: label + ".zone.test.", Port: 636},
		"MX":    &dns.MX{Hdr: header(dns.TypeMX), Mx: label + ".zone.test."},
		"CAA":   &dns.CAA{Hdr: header(dns.TypeCAA), Tag: "issue", Value: label},
		"NAPTR": &dns.NAPTR{Hdr: header(dns.TypeNAPTR), Service: label, Regexp: label, Replacement: label + "."},
		"HINFO": &dns.HINFO{Hdr: header(dns.TypeHINFO), Cpu: label, Os: label},
	}
	for qtype, rr := range records {
		for _, rcode := range []int{dns.RcodeSuccess, dns.RcodeNameError, dns.RcodeServerFailure, dns.RcodeRefused, 14} {
			server := dnsrig.Fake(t, func(q []byte) [][]byte {
				return [][]byte{dnsrig.Reply(q, func(m *dns.Msg) {
					m.Rcode = rcode
					if m.Question[0].Name == "www.zone.test." {
						m.Answer = append(m.Answer, rr)
					}
					m.SetEdns0(1232, false)
					m.IsEdns0().Option = append(m.IsEdns0().Option, &dns.EDNS0_EDE{InfoCode: 6, ExtraText: evil})
				})}
			})
			target := DNSTarget{Query: "www.zone.test", Type: qtype, Servers: at(server), Expect: []string{"x"}}
			expectClean(t, fmt.Sprintf("%s with rcode %d", qtype, rcode), DNS(target)(withTimeout(t, 2*time.Second)))
		}
	}
}
