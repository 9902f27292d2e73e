package main

import (
	"context"
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"sallyport/check"
	"sallyport/config"
	"sallyport/control"
	"sallyport/firewall/kernel/sockets"
	"sallyport/netcheck/service"
)

// TestConnectionsTold holds that nothing of a connection is lost on its way from the kernel by the guard to the check.
func TestConnectionsTold(t *testing.T) {
	t.Parallel()
	seen := sockets.Connection{
		Local: netip.MustParseAddrPort("[2001:db8::1]:50000"), Remote: netip.MustParseAddrPort("10.0.0.7:636"),
		State: sockets.SynSent, ID: 1<<63 + 1, Timer: sockets.TimerRetransmit, Retransmits: 3, Expires: time.Second,
		RTO: 4 * time.Second, ReceiveQueue: 5, SendQueue: 6, Info: &sockets.Info{RTT: 7, TotalRetransmits: 8},
	}
	text, err := json.Marshal(control.Connections{UID: 9, Total: 10, List: connectionsTold([]sockets.Connection{seen})})
	if err != nil {
		t.Fatal(err)
	}
	var told control.Connections
	if err := json.Unmarshal(text, &told); err != nil {
		t.Fatal(err)
	}
	got, err := sampleOf(told)
	want := service.Sample{UID: 9, Total: 10, Connections: []service.Connection{{
		Local: seen.Local, Remote: seen.Remote, State: service.SynSent, ID: seen.ID, Waits: service.WaitsForAck,
		Retransmits: 3, Expires: time.Second, RTO: 4 * time.Second, ReceiveQueue: 5, SendQueue: 6, RTT: 7,
		TotalRetransmits: 8,
	}}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v\nwant %+v", got, err, want)
	}
	if v := reflect.ValueOf(want.Connections[0]); v.NumField() != 12 {
		t.Error("a field has come that this test does not hold")
	}
}

// TestServiceOfNobody holds what is said of a user that the host has not.
func TestServiceOfNobody(t *testing.T) {
	t.Parallel()
	conf := &config.Config{Service: &config.Service{User: "nobody-has-this-name"}}
	list := observing(conf).check(conf, connectionsHere(conf), nil)
	if len(list) != 1 || list[0].Name != "service" || list[0].Kind != check.KindService {
		t.Fatalf("%+v", list)
	}
	r := list[0].Run(t.Context())
	if r.Status != check.Unknown || !strings.Contains(r.Detail, "nobody-has-this-name") ||
		!strings.Contains(r.Remedy, "service.user") {
		t.Errorf("%+v", r)
	}
	if list := observing(&config.Config{}).check(&config.Config{}, nil, nil); len(list) != 0 {
		t.Errorf("a configuration without a service has %+v", list)
	}
}

// TestServiceWithoutGuard holds that the prober looks by itself where no guard answers.
func TestServiceWithoutGuard(t *testing.T) {
	t.Parallel()
	conf := &config.Config{Service: &config.Service{User: "54321"}}
	sample, err := connectionsGuarded(conf, filepath.Join(t.TempDir(), "none"))(t.Context())
	if err != nil || sample.UID != 54321 || sample.Total != 0 {
		t.Errorf("%+v, %v", sample, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := connectionsGuarded(conf, "/nonexistent")(ctx); err == nil {
		t.Error("an ended context has an answer")
	}
}

// TestServiceBesideChecks holds that the checks have the words of the log that the configuration names.
func TestServiceBesideChecks(t *testing.T) {
	t.Parallel()
	log := filepath.Join(t.TempDir(), "uds.log")
	if err := os.WriteFile(log, []byte("java.net.ConnectException: Connection refused\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	conf := &config.Config{
		Service: &config.Service{User: "54321", Log: log},
		Checks:  config.Checks{TLS: []config.TLS{{Name: "console", Server: config.Server{Host: "h.test", Port: 443}}}},
	}
	checks := []check.Check{{Name: "console", Run: func(context.Context) check.Result {
		return check.Result{Status: check.Fail, Cause: check.ConnectRefused}
	}}}
	seen := observing(conf)
	seen.beside(conf, checks)
	if r := checks[0].Run(t.Context()); !strings.Contains(r.Detail, "the service says so too") {
		t.Errorf("%+v", r)
	}
	checks = append(checks, seen.check(conf, nil, nil)...)
	all := seen.once(t.Context(), conf, checks, nil)
	if len(all) != 2 || all[1].Kind != check.KindService || all[1].Status != check.Warn ||
		!strings.Contains(all[1].Detail, "the check console finds the same") {
		t.Errorf("%+v", all)
	}
}
