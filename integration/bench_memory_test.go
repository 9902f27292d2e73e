package integration_test

import (
	"bufio"
	"context"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

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
	daemon := program{h.Daemon().Pid(), "127.0.0.1:9636"}
	var runs map[string]int
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		metrics, err := daemon.get(ctx, &client, "/metrics")
		if err == nil {
			runs, err = okRuns(metrics)
		}
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

// okRuns is how many times each check was ok, by the metrics.
func okRuns(metrics string) (runs map[string]int, err error) {
	runs = map[string]int{}
	counter := regexp.MustCompile(`(?m)^sallyport_check_runs_total\{check="([^"]*)",kind="[^"]*",status="ok"\} (\d+)$`)
	for _, match := range counter.FindAllStringSubmatch(metrics, -1) {
		if runs[match[1]], err = strconv.Atoi(match[2]); err != nil {
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
