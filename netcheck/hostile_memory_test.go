package netcheck

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"runtime/metrics"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"sallyport/netcheck/internal/dnsrig"
	"sallyport/tlsprobe/tlsprobetest"
)

// meetVariable names the file with the meetings of a process that meets hostile servers and is measured.
const meetVariable = "SALLYPORT_TEST_MEET"

// Bounds on the memory of a process while it meets them.
const (
	metAtOnce = 16       // checks, as many as `sallyport check` runs
	maxHeap   = 64 << 20 // octets of objects, garbage too
)

// TestHostileMemory has a process of its own meet the worst servers of each layer, sixteen checks of one kind at a time:
// its heap stays below 64 MiB.
func TestHostileMemory(t *testing.T) {
	s := newStage(t)
	for name, m := range s.worst(t) {
		file := t.TempDir() + "/meeting.json"
		text, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, file, string(text))
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestMeetHostile$", "-test.v")
		cmd.Env = append(os.Environ(), meetVariable+"="+file, "GOMEMLIMIT=off", "GOGC=100")
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "--- PASS: TestMeetHostile") {
			t.Errorf("%s: %v\n%s", name, err, out)
			continue
		}
		_, figures, _ := strings.Cut(string(out), "peak ")
		figures, _, _ = strings.Cut(figures, "\n")
		t.Logf("%s: %s", name, figures)
	}
}

// TestMeetHostile is the process that TestHostileMemory starts.
func TestMeetHostile(t *testing.T) {
	file := os.Getenv(meetVariable)
	if file == "" {
		t.Skip("run by TestHostileMemory")
	}
	var m meeting
	if err := json.Unmarshal([]byte(readFile(t, file)), &m); err != nil {
		t.Fatal(err)
	}
	done, told := make(chan struct{}), make(chan uint64)
	go func() { told <- peakHeap(done) }()
	var running sync.WaitGroup
	for range metAtOnce {
		run, err := m.run()
		if err != nil {
			t.Fatal(err)
		}
		running.Go(func() {
			for range 4 { // as a daemon does again and again
				ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
				run(ctx)
				cancel()
			}
		})
	}
	running.Wait()
	close(done)
	peak := <-told
	status, _, _ := strings.Cut(strings.SplitAfter(readFile(t, "/proc/self/status"), "VmHWM:")[1], "\n")
	t.Logf("peak %d KiB of heap, VmHWM %s", peak>>10, strings.TrimSpace(status))
	if peak > maxHeap {
		t.Errorf("the heap grew to %d KiB, more than %d", peak>>10, maxHeap>>10)
	}
}

// peakHeap is the most that the heap's objects take, until done is closed.
func peakHeap(done <-chan struct{}) (peak uint64) {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		metrics.Read(sample)
		peak = max(peak, sample[0].Value.Uint64())
		select {
		case <-done:
			return peak
		case <-tick.C:
		}
	}
}

// worst are the servers that make a check take in the most, or make the most of it.
func (s stage) worst(t *testing.T) map[string]meeting {
	t.Helper()
	all := map[string]meeting{}
	flooded := func(at door, name string) { all[string(at)+": "+name] = s.open(t, at, hostilities()[name][at]) }
	for _, at := range allDoors() {
		flooded(at, "flood")
	}
	flooded(doorDoH, "one endless header")
	flooded(doorDoH, "chunks without end")
	flooded(doorProxy, "one endless header")
	flooded(doorHTTP, "interim answers")
	flooded(doorBind, "deep BER")
	flooded(doorSearch, "referrals")
	flooded(doorSearch, "references")
	all["dot: records of long names"] = s.open(t, doorDoT, dearAnswer(1000))
	all["dot: more records"] = s.open(t, doorDoT, dearAnswer(4600))
	for name, chain := range s.dearChains(t) {
		config := &tls.Config{Certificates: []tls.Certificate{tlsprobetest.Chain(chain...)}}
		port := startTCP(t, func(conn *net.TCPConn) { _ = tls.Server(conn, config).Handshake(); untilClosed(conn) })
		all["tls: "+name] = meeting{Door: doorTLS, Port: port, Roots: s.file}
	}
	flood := func(w http.ResponseWriter, _ *http.Request) { asDNS(w); endless(w) }
	h2 := httptest.NewUnstartedServer(http.HandlerFunc(flood))
	h2.EnableHTTP2, h2.TLS = true, &tls.Config{Certificates: []tls.Certificate{s.pair}}
	h2.StartTLS()
	t.Cleanup(h2.Close)
	all["doh: flood by HTTP/2"] = meeting{Door: doorDoH, Roots: s.file,
		Port: uint16(h2.Listener.Addr().(*net.TCPAddr).Port)}
	return all
}

// dearChains are certificates that become many times their size when they are parsed: as many octets as a handshake may
// have, and more.
func (s stage) dearChains(t *testing.T) map[string][]*paper {
	t.Helper()
	short := make([]*url.URL, 0, 80_000)
	for range cap(short) {
		short = append(short, &url.URL{Path: "a"})
	}
	links := func(n int) change { return func(c *x509.Certificate) { c.URIs = short[:n] } }
	names := func(n int) change {
		return func(c *x509.Certificate) { c.Subject = pkix.Name{Organization: make([]string, n), CommonName: "x"} }
	}
	return map[string][]*paper{
		"70 KiB of links":      {s.leaf(t, links(23_000)), s.intermediate},
		"240 KiB of links":     {s.leaf(t, links(80_000)), s.intermediate},
		"70 KiB of attributes": {s.leaf(t, names(6_000)), s.intermediate},
	}
}

// dearAnswer answers with name servers, each by a name of 255 octets that is there once: four characters for each as text.
func dearAnswer(records int) hostility {
	return func(conn net.Conn, asked []byte) {
		raw := dnsrig.Reply(asked[2:], func(m *dns.Msg) {
			label := strings.Repeat(`\001`, 63)
			long := strings.Join([]string{label, label, label, strings.Repeat(`\001`, 61)}, ".") + "."
			m.Compress = true
			m.Answer = append(m.Answer, &dns.NS{Ns: long, Hdr: dns.RR_Header{Name: m.Question[0].Name,
				Rrtype: dns.TypeNS, Class: dns.ClassINET, Ttl: 60}})
		})
		at := len(raw) - 255 // of the long name
		binary.BigEndian.PutUint16(raw[6:], uint16(records))
		for range records - 1 {
			raw = append(raw, 0xc0|byte(at>>8), byte(at), 0, byte(dns.TypeNS), 0, 1, 0, 0, 0, 60, 0, 2, 0xc0|byte(at>>8),
				byte(at))
		}
		raw = raw[:min(len(raw), 1<<16-1)]
		_, _ = conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(raw))), raw...))
		_ = heard(conn)
	}
}
