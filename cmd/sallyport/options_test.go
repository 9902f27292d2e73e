package main

import (
	"strings"
	"testing"

	"sallyport/config"
)

// TestHandedConfigurationIsWhole holds that what run hands to its processes is read to its end, however long it may be: the
// first part of a list of networks is a good configuration too, of another policy.
func TestHandedConfigurationIsWhole(t *testing.T) {
	const begins = "firewall:\n  management:\n    - name: ssh\n      ports: [22/tcp]\n      from:\n"
	line := strings.Repeat("#", 99) + "\n"
	padding := strings.Repeat(line, (config.MaxSize-len(begins)-200)/len(line))
	text := begins + "        - 10.0.0.0/8\n" + padding + "        - 192.0.2.0/24\n"
	handed := options{file: "x.yaml", handed: strings.NewReader(text)}
	conf, err := handed.loadPolicy()
	if err != nil {
		t.Fatal(err)
	}
	if from := conf.Firewall.Management[0].From; len(from) != 2 {
		t.Errorf("of two networks %v are left", from)
	}
	handed.handed = strings.NewReader(text + strings.Repeat(line, 100))
	if _, err := handed.loadPolicy(); err == nil {
		t.Error("more than a configuration may have was cut off, and taken")
	}
}
