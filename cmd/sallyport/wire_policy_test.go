package main

import (
	"testing"

	"sallyport/config"
	"sallyport/firewall"
)

// TestForwardOfTheConfiguration holds that each word of the file means its own policy, and no word means none.
func TestForwardOfTheConfiguration(t *testing.T) {
	for word, want := range map[config.Forward]firewall.Forward{
		config.ForwardDrop: firewall.ForwardDrop, config.ForwardAccept: firewall.ForwardAccept,
		config.ForwardContainers: firewall.ForwardContainers, "": firewall.ForwardDrop,
	} {
		got := policyOf(config.Firewall{Forward: word}, true).Forward
		if got != want || word != "" && got.String() != string(word) {
			t.Errorf("forward %q is %s, want %s", word, got, want)
		}
	}
}
