// Package firewall decides what the kernel should hold: a Policy is compiled to a Ruleset, a Ruleset is written as nft
// text, and Diff tells two rulesets apart. All of it is pure: values in, values out, no netlink, no clock. What talks to
// the kernel is package kernel; what keeps a ruleset in force is package guard.
package firewall
