package integration_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"sallyport/integration/lab"
)

// fiveChecks are the checks of the daemon that is measured: one dns, two tls, two ldaps, by name and by address.
func fiveChecks() []string {
	return []string{lab.CheckResolver, lab.CheckCloud, "console-by-address", lab.CheckDirectory, "directory-by-address"}
}

// home is a lab with embedded servers and the shipped binary on its host.
type home struct {
	*lab.Lab
	*lab.Sallyport
	b   *testing.B
	log *net.UnixConn // where the daemon's syslog records go
}

// newHome builds it.
func newHome(b *testing.B, interval time.Duration) home {
	b.Helper()
	available(b, "make", "go", "nft")
	dir, err := os.MkdirTemp("", "sp-") //nolint:usetesting // b.TempDir has names too long for a socket
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(b.Context(), 20*time.Second)
	defer cancel()
	l, err := lab.New(ctx, dir, lab.Embedded)
	if err != nil {
		b.Fatal(errors.Join(err, os.RemoveAll(dir)))
	}
	b.Cleanup(func() {
		if err := errors.Join(l.Close(), os.RemoveAll(dir)); err != nil {
			b.Error(err)
		}
	})
	bin, err := shipped()
	if err != nil {
		b.Fatal(err)
	}
	h := home{Lab: l, b: b}
	socket := filepath.Join(dir, "log")
	if h.log, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"}); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = h.log.Close() })
	settings := lab.Settings{Interval: interval, Syslog: []string{"unix://" + socket}}
	if h.Sallyport, err = l.NewSallyport(filepath.Join(bin, "sallyport"), settings); err != nil {
		b.Fatal(err)
	}
	if err := h.Write(withFiveChecks(l, l.Configuration(settings))); err != nil {
		b.Fatal(err)
	}
	return h
}

// withFiveChecks adds to the lab's three checks the two by address.
func withFiveChecks(l *lab.Lab, configuration string) string {
	tls := fmt.Sprintf("    - {name: console-by-address, address: \"%s:443\", server_name: %s}\n",
		l.Cloud.IPv4, lab.CloudName)
	ldaps := fmt.Sprintf(`    - name: directory-by-address
      url: ldaps://%s:636
      server_name: %s
      bind_dn: %s
      password_file: %s
      base_dn: %s
`, l.Directory.IPv4, lab.DirectoryName, lab.BindDN, l.PasswordFile(), lab.StaffDN)
	configuration = strings.Replace(configuration, "  ldaps:\n", tls+"  ldaps:\n", 1)
	return strings.Replace(configuration, "trust:\n", ldaps+"trust:\n", 1)
}

// BenchmarkStart reports the time from the start of `sallyport run` on a host without a ruleset, whose servers answer
// at once: to the first result of a check, to the first result of the last of five, and to the ruleset being known to
// be in force. The times are those at which a syslog server has the record; medians. not-ok/op is in what part of the
// starts a first result was not ok, though nothing was wrong.
func BenchmarkStart(b *testing.B) {
	h := newHome(b, time.Second)
	var first, all, inForce []float64
	unsound := 0
	for b.Loop() {
		got, err := h.Host.Run(b.Context(), "nft", "add table inet sallyport; delete table inet sallyport")
		if err != nil || got.Code != 0 {
			b.Fatal(got, err)
		}
		heard := h.start()
		checks := make([]float64, 0, len(heard))
		for _, name := range fiveChecks() {
			checks = append(checks, heard[name].after)
		}
		first, all = append(first, slices.Min(checks)), append(all, slices.Max(checks))
		inForce = append(inForce, heard[firewallCheck].after)
		for _, word := range heard {
			if word.status != "ok" {
				unsound++
				break
			}
		}
		if err := h.Stop(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(median(first), "first-ms")
	b.ReportMetric(median(all), "five-ms")
	b.ReportMetric(median(inForce), "in-force-ms")
	b.ReportMetric(float64(unsound)/float64(len(first)), "not-ok/op")
}

// firewallCheck stands for the firewall's check, which has a name of its own.
const firewallCheck = "firewall"

// word is the first that was heard of a check.
type word struct {
	after  float64 // milliseconds since the start of the daemon
	status string
}

// start starts the daemon and waits until there is a word of each of the five checks and of the firewall's.
func (h home) start() map[string]word {
	h.b.Helper()
	h.forget()
	began := time.Now()
	if err := h.Run(); err != nil {
		h.b.Fatal(err)
	}
	if err := h.log.SetReadDeadline(began.Add(20 * time.Second)); err != nil {
		h.b.Fatal(err)
	}
	said := regexp.MustCompile(`event="transition" check="([^"]*)" kind="([^"]*)" target="[^"]*" status="([^"]*)"`)
	heard := map[string]word{}
	for record := make([]byte, 8<<10); len(heard) < len(fiveChecks())+1; {
		n, err := h.log.Read(record)
		if err != nil {
			h.b.Fatalf("%v; heard of %v; the daemon said:\n%s", err, heard, h.Daemon().Output())
		}
		after := time.Since(began)
		of := said.FindSubmatch(record[:n])
		if of == nil {
			h.b.Fatalf("no transition: %s", record[:n])
		}
		name, kind, status := string(of[1]), string(of[2]), string(of[3])
		if kind == firewallCheck {
			name = firewallCheck
		}
		if _, known := heard[name]; !known && (name == firewallCheck || slices.Contains(fiveChecks(), name)) {
			heard[name] = word{float64(after.Microseconds()) / 1000, status}
		}
	}
	return heard
}

// forget drops the records of the daemon before.
func (h home) forget() {
	h.b.Helper()
	for record := make([]byte, 1); ; {
		if err := h.log.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
			h.b.Fatal(err)
		}
		if _, err := h.log.Read(record); err != nil {
			return // there are no more
		}
	}
}

// BenchmarkMemory reports the resident memory of the three processes of `sallyport run` after thirty rounds of its five
// checks, with its metrics being read: their VmRSS, which counts what they share thrice, and their Pss, which does not.
func BenchmarkMemory(b *testing.B) {
	h := newHome(b, 400*time.Millisecond)
	var rss, pss []float64
	for b.Loop() {
		h.start()
		h.awaitRuns(30)
		r, p := h.resident()
		rss, pss = append(rss, r), append(pss, p)
		if err := h.Stop(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(median(rss), "rss-MiB")
	b.ReportMetric(median(pss), "pss-MiB")
}

// awaitRuns waits until each check was ok so many times, by the daemon's own count.
func (h home) awaitRuns(n int) {
	h.b.Helper()
	ctx, cancel := context.WithTimeout(h.b.Context(), time.Minute)
	defer cancel()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: h.Host.Dial}}
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		runs, err := okRuns(ctx, &client)
		if err != nil {
			h.b.Fatalf("%v; the daemon said:\n%s", err, h.Daemon().Output())
		}
		if !slices.ContainsFunc(fiveChecks(), func(name string) bool { return runs[name] < n }) {
			return
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			h.b.Fatalf("%v; runs so far: %v", ctx.Err(), runs)
		}
	}
}

// okRuns is how many times each check was ok.
func okRuns(ctx context.Context, client *http.Client) (map[string]int, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1:9636/metrics", nil)
	if err != nil {
		return nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, 4<<20))
	if err != nil {
		return nil, err
	}
	runs := map[string]int{}
	counter := regexp.MustCompile(`(?m)^sallyport_check_runs_total\{check="([^"]*)",kind="[^"]*",status="ok"\} (\d+)$`)
	for _, match := range counter.FindAllSubmatch(body, -1) {
		if runs[string(match[1])], err = strconv.Atoi(string(match[2])); err != nil {
			return nil, err
		}
	}
	return runs, nil
}

// resident is the memory of the daemon's processes, in MiB.
func (h home) resident() (rss, pss float64) {
	h.b.Helper()
	pids := h.family()
	if len(pids) != 3 {
		h.b.Fatalf("want three processes, there are %v", pids)
	}
	for _, pid := range pids {
		rss += h.kibibytes(pid, "status", "VmRSS") / 1024
		pss += h.kibibytes(pid, "smaps_rollup", "Pss") / 1024
	}
	return rss, pss
}

// family is the daemon's process and its children.
func (h home) family() []string {
	h.b.Helper()
	parent := strconv.Itoa(h.Daemon().Pid())
	pids := []string{parent}
	all, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		h.b.Fatal(err)
	}
	for _, dir := range all {
		if pid := filepath.Base(dir); field(pid, "status", "PPid") == parent {
			pids = append(pids, pid)
		}
	}
	return pids
}

func (h home) kibibytes(pid, file, name string) float64 {
	h.b.Helper()
	value := field(pid, file, name)
	n, err := strconv.ParseFloat(strings.TrimSuffix(value, " kB"), 64)
	if err != nil {
		h.b.Fatalf("%s in /proc/%s/%s is %q: %v", name, pid, file, value, err)
	}
	return n
}

// field is one line's value of a file in a process's /proc folder; empty where there is none, or no such process.
func field(pid, file, name string) string {
	f, err := os.Open(filepath.Join("/proc", pid, file))
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), name+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
