package integration_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"sallyport/integration/lab"
)

// TestCertificatesExpected has keys and authorities of the configuration judge a sound certificate, and a TLS-inspecting
// proxy answer in the server's place.
func TestCertificatesExpected(t *testing.T) {
	w := newWorld(t, lab.Settings{})
	conf := w.Configuration(lab.Settings{})
	expecting := func(keys string) {
		t.Helper()
		entry := regexp.MustCompile(`(?m)^( *)- \{?name: ` + lab.CheckCloud + `\b[^}\n]*`)
		next := entry.ReplaceAllString(conf, "${0}, "+keys)
		if next == conf {
			t.Fatalf("%s is not in the configuration:\n%s", lab.CheckCloud, conf)
		}
		if err := w.Write(next); err != nil {
			t.Fatal(err)
		}
	}
	expecting("pins: [sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=]")
	w.says(lab.CheckCloud, "fail", "cert.pin-mismatch")
	seen := regexp.MustCompile(`"pin": ?("sha256/[^"]+")`).FindStringSubmatch(w.evidence(lab.CheckCloud))
	if seen == nil {
		t.Fatalf("no pin in %s", w.evidence(lab.CheckCloud))
	}
	expecting("pins: [" + seen[1] + "], issuers: [Nobody, SALLYPORT LAB]")
	w.says(lab.CheckCloud, "ok", "")
	expecting("issuers: [DigiCert Inc]")
	w.says(lab.CheckCloud, "fail", "cert.intercepted")
	if err := w.Write(conf); err != nil {
		t.Fatal(err)
	}
	w.says(lab.CheckCloud, "ok", "")
	if err := w.Flaw(within(t, 10*time.Second), w.Web, lab.CloudName, lab.Inspected); err != nil {
		t.Fatal(err)
	}
	w.says(lab.CheckCloud, "fail", "cert.intercepted")
}

// evidence is the JSON of what a check shows.
func (w world) evidence(name string) string {
	w.t.Helper()
	got, err := w.Command(within(w.t, 20*time.Second), "check", name, "-o", "json")
	if err != nil {
		w.t.Fatal(err)
	}
	var report struct {
		Results []struct{ Evidence json.RawMessage }
	}
	if err := json.Unmarshal([]byte(got.Stdout), &report); err != nil || len(report.Results) != 1 {
		w.t.Fatalf("%v: %s", err, got.Stdout)
	}
	return string(report.Results[0].Evidence)
}

// TestCertificateChanged renews the certificate of a server that is watched: the check stays ok, and its history says once
// what changed.
func TestCertificateChanged(t *testing.T) {
	w := newWorld(t, lab.Settings{})
	if err := w.Write(w.Configuration(lab.Settings{}) + "  history: {keep: 1d}\n"); err != nil {
		t.Fatal(err)
	}
	w.daemon()
	w.await(lab.AllOK)
	if err := w.Flaw(within(t, 10*time.Second), w.Web, lab.CloudName, lab.Sound); err != nil {
		t.Fatal(err)
	}
	told := func() (n int) {
		for _, c := range w.past().Transitions {
			if c.Check != lab.CheckCloud || c.Result.Cause != "cert.changed" {
				continue
			}
			n++
			if c.From != "ok" || c.To != "ok" || !strings.Contains(c.Result.Detail, "the certificate changed: now serial ") {
				t.Errorf("from %s to %s: %s", c.From, c.To, c.Result.Detail)
			}
		}
		return n
	}
	err := lab.Until(within(t, 10*time.Second), "the change", func() error {
		if told() == 0 {
			return fmt.Errorf("nothing of the new certificate: %+v", w.past())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	w.await(lab.AllOK)
	if n := told(); n != 1 {
		t.Errorf("told %d times", n)
	}
}
