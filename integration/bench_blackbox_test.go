package integration_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sallyport/integration/lab"
)

// The pace at which both programs check, and at which the metrics of their processes are read, as both ask for. With its
// own, Sallyport tells what is new of all checks; blackbox_exporter is asked for each.
const (
	paceInterval = 250 * time.Millisecond
	paceTurn     = time.Second
	paceRounds   = 12
)

// blackboxVariable names the program blackbox_exporter; make bench builds it.
const blackboxVariable = "SALLYPORT_BENCH_BLACKBOX"

const blackboxConfiguration = `modules:
  tls:
    prober: tcp
    tcp:
      preferred_ip_protocol: ip4
      tls: true
      tls_config: {ca_file: %q, server_name: %s}
`

// match is blackbox_exporter and two Sallyports side by side, each a process of its own, that check the same server.
type match struct {
	b        *testing.B
	checks   int // of each, in one interval
	client   http.Client
	exporter program
	likeJava program // judged by a Java's trust store too, as where the configuration has a service
	likeGo   program // shakes hands as blackbox_exporter does
}

// BenchmarkBesideBlackbox compares the processor time of one TLS check, by the same server, chain and name, all verified:
// that of all that the process of `sallyport run --only probe` does for it (its schedule, its states, its metrics being
// read), and that of all that blackbox_exporter does (its probe, which is a request over HTTP, its metrics being read).
// ratio is of a check as it is with a service, ratio-like-go of one that offers what blackbox_exporter offers.
// ratio-without-http is the first where what blackbox_exporter takes for a request that probes nothing (/-/healthy), and
// for its metrics, is not counted.
//
// With few checks, what a process that sleeps costs to wake up, and the reading of the metrics, weigh more than the checks.
func BenchmarkBesideBlackbox(b *testing.B) {
	for _, checks := range []int{5, 50} {
		b.Run(fmt.Sprintf("checks=%d", checks), func(b *testing.B) { besideBlackbox(b, checks) })
	}
}

func besideBlackbox(b *testing.B, checks int) {
	available(b, "make", "go", "keytool")
	if os.Getenv(blackboxVariable) == "" {
		fmt.Fprintf(os.Stderr, "%s: skipped, %s names no program\n", b.Name(), blackboxVariable)
		b.SkipNow()
	}
	m := newMatch(b, newServers(b), checks)
	const java, golang, probe, healthy, alone = 0, 1, 2, 3, 4
	times := make(rounds, 5)
	m.turn("/-/healthy") // warms up
	m.turn(probePath)
	for b.Loop() {
		for range paceRounds {
			idle := m.turn("/-/healthy")
			busy := m.turn(probePath)
			times[java] = append(times[java], busy.likeJava)
			times[golang] = append(times[golang], busy.likeGo)
			times[probe] = append(times[probe], busy.exporter)
			times[healthy] = append(times[healthy], idle.exporter)
			times[alone] = append(times[alone], busy.exporter-idle.exporter)
		}
	}
	b.ReportMetric(0, "ns/op")
	for i, name := range []string{"cpu-µs/op", "like-go-cpu-µs/op", "blackbox-cpu-µs/op", "blackbox-http-cpu-µs/op"} {
		b.ReportMetric(median(times[i]), name)
	}
	b.ReportMetric(times.ratio(java, probe), "ratio")
	b.ReportMetric(times.ratio(golang, probe), "ratio-like-go")
	b.ReportMetric(times.ratio(java, alone), "ratio-without-http")
}

// newMatch starts the three programs.
func newMatch(b *testing.B, s servers, checks int) *match {
	b.Helper()
	bin, err := shipped()
	if err != nil {
		b.Fatal(err)
	}
	m := &match{b: b, checks: checks, client: http.Client{Timeout: benchLimit}}
	modules := filepath.Join(s.dir, "blackbox.yml")
	text := fmt.Sprintf(blackboxConfiguration, filepath.Join(s.dir, "roots.pem"), lab.CloudName)
	if err := os.WriteFile(modules, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	const listen = loopbackHost + ":9115"
	m.exporter = startProgram(b, s.dir, listen, os.Getenv(blackboxVariable),
		"--config.file="+modules, "--web.listen-address="+listen)
	sallyport := func(like, java, listen string) program {
		file := m.configure(s.dir, like, java, listen)
		return startProgram(b, s.dir, listen, filepath.Join(bin, "sallyport"),
			"run", "--only", "probe", "--here", "--config", file)
	}
	m.likeJava = sallyport("jvm", s.javaHome(b), loopbackHost+":9636")
	m.likeGo = sallyport("go", "off", loopbackHost+":9637")
	return m
}

// configure writes the configuration of a Sallyport that has nothing but the checks to do.
func (m *match) configure(of, like, java, listen string) (file string) {
	m.b.Helper()
	dir := filepath.Join(of, like)
	var text strings.Builder
	fmt.Fprintf(&text, `paths: {state: %s, runtime: %s}
trust: {roots: [%s], java: %q}
report: {metrics: {listen: %q}}
checks:
  defaults: {interval: %s, timeout: %s, like: %s}
  tls:
`, filepath.Join(dir, "state"), filepath.Join(dir, "run"), filepath.Join(of, "roots.pem"), java, listen,
		paceInterval, paceInterval*9/10, like)
	for i := range m.checks {
		fmt.Fprintf(&text, "    - {name: cloud-%d, address: %q, server_name: %s}\n", i, webAddress, lab.CloudName)
	}
	for _, folder := range []string{dir, filepath.Join(dir, "state"), filepath.Join(dir, "run")} {
		if err := os.Mkdir(folder, 0o700); err != nil {
			m.b.Fatal(err)
		}
	}
	file = filepath.Join(dir, "sallyport.yaml")
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		m.b.Fatal(err)
	}
	return file
}

// probePath is the request that has blackbox_exporter check the server.
const probePath = "/probe?module=tls&target=" + webAddress

// costs are the processor times of one check, or of one request, in microseconds.
type costs struct{ exporter, likeJava, likeGo float64 }

// turn has blackbox_exporter answer a request as often as each Sallyport checks by itself.
func (m *match) turn(request string) costs {
	m.b.Helper()
	ctx, cancel := context.WithTimeout(m.b.Context(), paceTurn+benchLimit)
	defer cancel()
	java, golang := m.meter(ctx, m.likeJava), m.meter(ctx, m.likeGo)
	before, requests := m.exporter.processorTime(m.b), 0
	beat := time.NewTicker(paceInterval / time.Duration(m.checks))
	defer beat.Stop()
	for began := time.Now(); time.Since(began) < paceTurn; requests++ {
		<-beat.C
		answer, err := m.exporter.get(ctx, &m.client, request)
		if err != nil || strings.HasPrefix(request, "/probe") && !strings.Contains(answer, "\nprobe_success 1\n") {
			m.b.Fatalf("blackbox_exporter: %v: %s", err, answer)
		}
		if requests%m.checks == 0 {
			m.readAll(ctx)
		}
	}
	used := m.exporter.processorTime(m.b) - before
	return costs{float64(used.Nanoseconds()) / 1000 / float64(requests), java(), golang()}
}

// readAll reads the metrics of the three: blackbox_exporter's, too, are those of its process.
func (m *match) readAll(ctx context.Context) {
	m.b.Helper()
	m.read(ctx, m.likeJava)
	m.read(ctx, m.likeGo)
	if _, err := m.exporter.get(ctx, &m.client, "/metrics"); err != nil {
		m.b.Fatal(err)
	}
}

// meter is asked at the end for the processor time of one check of a Sallyport since.
func (m *match) meter(ctx context.Context, p program) func() float64 {
	m.b.Helper()
	runs, before := m.read(ctx, p), p.processorTime(m.b)
	return func() float64 {
		m.b.Helper()
		used := p.processorTime(m.b) - before
		n := m.read(ctx, p) - runs
		if n == 0 {
			m.b.Fatalf("no check was ok at %s", p.address)
		}
		return float64(used.Nanoseconds()) / 1000 / float64(n)
	}
}

// read reads a Sallyport's metrics, as Prometheus does: how many runs were ok, those that were not being an error.
func (m *match) read(ctx context.Context, p program) (runs int) {
	m.b.Helper()
	text, err := p.get(ctx, &m.client, "/metrics")
	if err != nil {
		m.b.Fatal(err)
	}
	counts, err := okRuns(text)
	if err != nil {
		m.b.Fatal(err)
	}
	for i := range m.checks {
		runs += counts[fmt.Sprintf("cloud-%d", i)]
	}
	return runs
}
