package syslog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"sallyport/check"
	"sallyport/report"
)

// received is a record as rsyslog understood it.
type received struct {
	Input   string `json:"in"`
	Pri     string `json:"pri"`
	Time    string `json:"time"`
	Host    string `json:"host"`
	App     string `json:"app"`
	Proc    string `json:"proc"`
	MsgID   string `json:"msgid"`
	Data    string `json:"sd"`
	Message string `json:"msg"`
	Raw     string `json:"raw"`
}

// rsyslog is a real rsyslogd with an input of each kind, which writes what it understood to a file.
type rsyslog struct {
	udp, tcp, tls   string // addresses
	local, standard string // unix sockets: with the special parser, which is the default, and without
	out             string
	roots           identity
}

const rsyslogConfig = `
global(workDirectory="%[1]s" maxMessageSize="8k"
  defaultNetstreamDriver="gtls" defaultNetstreamDriverCAFile="%[1]s/ca.pem"
  defaultNetstreamDriverCertFile="%[1]s/ca.pem" defaultNetstreamDriverKeyFile="%[1]s/key.pem")
module(load="imudp")
module(load="imptcp")
module(load="imtcp" StreamDriver.Name="gtls" StreamDriver.Mode="1" StreamDriver.AuthMode="anon")
module(load="imuxsock" SysSock.Use="off")
input(type="imudp" address="127.0.0.1" port="%[2]s")
input(type="imptcp" address="127.0.0.1" port="%[3]s")
input(type="imtcp" address="127.0.0.1" port="%[4]s")
input(type="imuxsock" socket="%[1]s/local" rateLimit.Interval="0")
input(type="imuxsock" socket="%[1]s/standard" rateLimit.Interval="0" useSpecialParser="off"
  ignoreTimestamp="off" useSysTimeStamp="off")
template(name="fields" type="list" option.jsonf="on") {
  property(outname="in" name="inputname" format="jsonf")
  property(outname="pri" name="pri" format="jsonf")
  property(outname="time" name="timereported" dateFormat="rfc3339" format="jsonf")
  property(outname="host" name="hostname" format="jsonf")
  property(outname="app" name="app-name" format="jsonf")
  property(outname="proc" name="procid" format="jsonf")
  property(outname="msgid" name="msgid" format="jsonf")
  property(outname="sd" name="structured-data" format="jsonf")
  property(outname="msg" name="msg" format="jsonf")
  property(outname="raw" name="rawmsg" format="jsonf")
}
action(type="omfile" file="%[1]s/out" template="fields" asyncWriting="off" flushOnTXEnd="on")
`

func startRsyslog(t *testing.T) *rsyslog {
	t.Helper()
	program, err := exec.LookPath("rsyslogd")
	if err != nil || os.Geteuid() != 0 {
		if os.Getenv("SALLYPORT_TEST_FULL") == "1" {
			t.Fatalf("the whole test wants root and rsyslogd: %v", err)
		}
		t.Skip("no rsyslogd, or not root")
	}
	dir, id := t.TempDir(), newIdentity(t)
	ports := freePorts(t)
	config := fmt.Sprintf(rsyslogConfig, dir, ports[0], ports[1], ports[2])
	for name, content := range map[string]string{
		"conf": config, "ca.pem": string(id.certPEM), "key.pem": string(id.keyPEM),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cmd := exec.CommandContext(ctx, program, "-n", "-f", filepath.Join(dir, "conf"), "-i", filepath.Join(dir, "pid"))
	var log safeBuffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("rsyslogd: %s", log.String())
		}
	})
	eventually(t, "rsyslogd listens", func() bool {
		_, errLocal := os.Stat(filepath.Join(dir, "local"))
		_, errStandard := os.Stat(filepath.Join(dir, "standard"))
		return errors.Join(errLocal, errStandard) == nil && answers(ports[1]) && answers(ports[2])
	})
	return &rsyslog{
		udp: "127.0.0.1:" + ports[0], tcp: "127.0.0.1:" + ports[1], tls: "127.0.0.1:" + ports[2],
		local: filepath.Join(dir, "local"), standard: filepath.Join(dir, "standard"),
		out: filepath.Join(dir, "out"), roots: id,
	}
}

// given are the first ports of those that freePorts has given: each is given once.
var given sync.Map

// freePorts finds a port for UDP and two for TCP that nobody has now: rsyslogd cannot say which it was given. They are
// below those that the kernel gives by itself (ip_local_port_range), so that no connection takes one meanwhile.
func freePorts(t *testing.T) (ports [3]string) {
	t.Helper()
	for range 1000 {
		first := 26_000 + 3*rand.IntN(2_000)
		if _, taken := given.LoadOrStore(first, true); taken {
			continue
		}
		udp, noUDP := net.ListenPacket("udp", net.JoinHostPort("127.0.0.1", strconv.Itoa(first)))
		tcp, noTCP := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(first+1)))
		tls, noTLS := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(first+2)))
		for _, held := range []io.Closer{udp, tcp, tls} {
			if held != nil {
				_ = held.Close()
			}
		}
		if noUDP == nil && noTCP == nil && noTLS == nil {
			for i := range ports {
				ports[i] = strconv.Itoa(first + i)
			}
			return ports
		}
	}
	t.Fatal("no three free ports")
	return ports
}

func answers(port string) bool {
	c, err := net.Dial("tcp", "127.0.0.1:"+port)
	if err == nil {
		_ = c.Close()
	}
	return err == nil
}

// records waits for n records and returns them in the order in which rsyslogd wrote them.
func (r *rsyslog) records(t *testing.T, n int) []received {
	t.Helper()
	var lines []string
	eventually(t, fmt.Sprintf("%d records in rsyslogd's file", n), func() bool {
		data, _ := os.ReadFile(r.out)
		lines = strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
		return strings.Count(string(data), "\n") >= n
	})
	records := make([]received, len(lines))
	for i, line := range lines {
		if err := json.Unmarshal([]byte(line), &records[i]); err != nil {
			t.Fatalf("%v in %q", err, line)
		}
	}
	return records
}

// TestRealRsyslog holds that a real rsyslogd reads every field of every record whole, whatever stands in it, over each
// transport, and never reads a record that was not sent.
func TestRealRsyslog(t *testing.T) {
	if testing.Short() {
		t.Skip("starts rsyslogd")
	}
	for _, transport := range []string{"udp", "tcp", "tls", "unix"} {
		t.Run(transport, func(t *testing.T) {
			server := startRsyslog(t)
			target := map[string]Target{
				"udp":  {Network: "udp", Address: server.udp},
				"tcp":  {Network: "tcp", Address: server.tcp},
				"tls":  {Network: "tls", Address: server.tls, Roots: server.roots.roots, ServerName: "logs.test"},
				"unix": {Network: "unix", Address: server.standard},
			}[transport]
			s := New(target, Options{Hostname: self.hostname, ProcID: self.procID, Retry: soon})
			stop := start(t, s)
			sent := []check.Transition{expired(), attacked(), longest(), recovered()}
			for _, tr := range sent {
				s.Transition(tr)
			}
			got := ownRecords(server.records(t, len(sent)))
			stop()
			if len(got) != len(sent) {
				t.Fatalf("%d records, sent %d: %q", len(got), len(sent), got)
			}
			for i, tr := range sent {
				compare(t, got[i], transitionRecord(tr), target.limit())
			}
		})
	}
}

// ownRecords leaves out what rsyslogd says of itself.
func ownRecords(records []received) []received {
	var own []received
	for _, r := range records {
		if r.Input != "rsyslogd" {
			own = append(own, r)
		}
	}
	return own
}

func compare(t *testing.T, got received, rec record, limit int) {
	t.Helper()
	message := report.Printable(rec.message, 1<<20)
	if !ascii(message) {
		message = bom + message // rsyslog keeps the mark
	}
	body := strings.TrimPrefix(got.Message, " ")
	if cut, isCut := strings.CutSuffix(body, "…"); isCut && len(rec.rfc5424(self, limit)) > limit-8 {
		message, body = message[:len(cut)], cut
	}
	for _, f := range []struct{ name, got, want string }{
		{"pri", got.Pri, fmt.Sprint(int(Daemon)*8 + int(rec.severity))},
		{"host", got.Host, self.hostname},
		{"app", got.App, self.appName},
		{"proc", got.Proc, self.procID},
		{"msgid", got.MsgID, rec.msgID},
		{"structured data", got.Data, string(rec.element(nil))},
		{"message", body, message},
	} {
		if f.got != f.want {
			t.Errorf("%s is %q, want %q\nraw %q", f.name, f.got, f.want, got.Raw)
		}
	}
	if want := timestamp(rec.time); strings.Replace(got.Time, "+00:00", "Z", 1) != want {
		t.Errorf("time is %q, want %q", got.Time, want)
	}
}

// TestRealRsyslogLocalSocket holds that the local form is read by rsyslog's unix input as every distribution has it.
func TestRealRsyslogLocalSocket(t *testing.T) {
	if testing.Short() {
		t.Skip("starts rsyslogd")
	}
	server := startRsyslog(t)
	for i, path := range []string{server.local, server.standard} {
		s := New(Target{Network: "unix", Address: path, Form: FormLocal}, Options{ProcID: "4711", Retry: soon})
		stop := start(t, s)
		sent := []check.Transition{expired(), attacked()}
		for _, tr := range sent {
			s.Transition(tr)
		}
		got := ownRecords(server.records(t, (i+1)*len(sent)))[i*len(sent):]
		stop()
		for j, tr := range sent {
			rec := transitionRecord(tr)
			want := report.Printable(rec.message, 1<<20) + " " + string(rec.element(nil))
			if got[j].App != "sallyport" || got[j].Proc != "4711" || strings.TrimPrefix(got[j].Message, " ") != want {
				t.Errorf("%s: %+v\nwant message %q", filepath.Base(path), got[j], want)
			}
		}
	}
}

// TestRealRsyslogMisreads shows why there is a local form: the default parser of the unix input takes the version of
// RFC 5424 for the name of the program. The day this fails, the local form can go.
func TestRealRsyslogMisreads(t *testing.T) {
	if testing.Short() {
		t.Skip("starts rsyslogd")
	}
	server := startRsyslog(t)
	s := New(Target{Network: "unix", Address: server.local}, Options{ProcID: "4711", Retry: soon})
	start(t, s)
	s.Transition(expired())
	element := string(transitionRecord(expired()).element(nil))
	if got := ownRecords(server.records(t, 1))[0]; got.App == "sallyport" || !strings.Contains(got.Message, element) {
		t.Errorf("%+v", got)
	}
}
