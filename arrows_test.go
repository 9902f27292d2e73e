// Package sallyport_test holds what is true of the whole house and of no room in it.
package sallyport_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// arrows says which of our packages a package may import; a room's sub-packages may import their own room's. cmd may
// import everything and is imported by none, so it is not listed.
func arrows() map[string][]string {
	return map[string][]string{
		"check":           nil,
		"config":          nil,
		"firewall":        nil,
		"tlsprobe":        nil,
		"docs":            nil,
		"firewall/kernel": {"firewall"},
		"firewall/guard":  {"firewall", "firewall/kernel", "check"},
		"firewall/proof":  {"firewall", "firewall/kernel", "check"},
		"netcheck":        {"check", "tlsprobe"},
		"monitor":         {"check"},
		"control":         {"check"},
		"report":          {"check"},
		"integration/lab": {},
		"integration":     {},
	}
}

// homes says in which of our packages a third-party package may be imported, tests aside.
func homes() map[string][]string {
	return map[string][]string{
		"github.com/google/nftables": {"firewall/kernel"},
		"github.com/miekg/dns": {
			"netcheck/resolver", "netcheck/dnssec", "netcheck/internal/dnsrig", "integration/lab",
		},
		"github.com/go-ldap/ldap":             {"netcheck/directory", "posture"},
		"github.com/go-asn1-ber/asn1-ber":     {"netcheck/directory"},
		"github.com/cenkalti/backoff":         {"monitor"},
		"github.com/goccy/go-yaml":            {"config"},
		"github.com/pmezard/go-difflib":       {"firewall"},
		"github.com/spf13/cobra":              {"cmd/sallyport"},
		"github.com/prometheus/client_golang": {"report/metrics"},
		"github.com/prometheus/common":        {"report/metrics"},
		"github.com/hashicorp/go-hclog":       {"integration/lab"},
		"github.com/vishvananda/netlink":      {"integration/lab"},
		"github.com/jimlambrt/gldap":          {"integration/lab"},
		"github.com/mdlayher/netlink":         {"firewall/kernel", "firewall/proof", "integration/lab"},
		"github.com/magiconair/properties":    {"tlsprobe/jvm"},
		"modernc.org/sqlite":                  {"report/history"},
		"go4.org/netipx":                      {"firewall"},
	}
}

type listed struct {
	ImportPath string
	Imports    []string
}

func packages(t *testing.T) []listed {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports", "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []listed
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// TestArrows holds that imports only go down.
func TestArrows(t *testing.T) {
	const module = "sallyport"
	seen := map[string]bool{}
	for _, p := range packages(t) {
		name := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
		if name == "" || strings.HasPrefix(name, "cmd/") {
			continue
		}
		room := roomOf(name)
		seen[room] = true
		allowed, known := arrows()[room]
		if !known {
			t.Errorf("package %s stands in no room that the layout has", name)
			continue
		}
		for _, imported := range p.Imports {
			target, ours := strings.CutPrefix(imported, module+"/")
			if ours && roomOf(target) != room && !slices.Contains(allowed, roomOf(target)) {
				t.Errorf("%s imports %s: that arrow runs up or across; it may import %v", name, target, allowed)
			}
		}
	}
	for _, room := range []string{"check", "config", "firewall", "firewall/kernel", "netcheck", "tlsprobe"} {
		if !seen[room] {
			t.Errorf("room %s is gone: the test no longer sees the house", room)
		}
	}
}

// TestThirdPartyPackagesStayInTheirPlace holds that each library is met in one room only. Those of the Go project itself
// (golang.org/x) may be met anywhere.
func TestThirdPartyPackagesStayInTheirPlace(t *testing.T) {
	met := map[string]bool{}
	for _, p := range packages(t) {
		name := strings.TrimPrefix(p.ImportPath, "sallyport/")
		for _, imported := range p.Imports {
			first, _, _ := strings.Cut(imported, "/")
			if first == "sallyport" || !strings.Contains(first, ".") || strings.HasPrefix(imported, "golang.org/x/") {
				continue
			}
			library, rooms := homeOf(imported)
			met[library] = true
			if !slices.Contains(rooms, name) && !slices.Contains(rooms, roomOf(name)) {
				t.Errorf("%s imports %s, which stays in %v", name, imported, rooms)
			}
		}
	}
	for library := range homes() {
		if !met[library] {
			t.Errorf("%s is imported nowhere: take it off the list, or the test no longer sees the house", library)
		}
	}
}

// homeOf is the library that a package is of, and the rooms in which it may be met; none for one that has no home yet.
func homeOf(imported string) (library string, rooms []string) {
	for library, rooms := range homes() {
		if imported == library || strings.HasPrefix(imported, library+"/") {
			return library, rooms
		}
	}
	return imported, nil
}

// roomOf is the room that a package belongs to: itself where it is listed, else the nearest listed folder above it.
func roomOf(name string) string {
	for room := name; room != ""; {
		if _, ok := arrows()[room]; ok {
			return room
		}
		cut := strings.LastIndexByte(room, '/')
		if cut < 0 {
			break
		}
		room = room[:cut]
	}
	return name
}
