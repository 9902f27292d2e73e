// Package kernel is the only place that speaks netlink to nftables: it brings the table inet sallyport to a ruleset in one
// transaction, reads it back raw, and compares what it read with what the same ruleset gives in a throw-away network
// namespace. Where new sets of intervals would be empty to packets for a moment, a transaction before that one makes them
// and one after it tidies up, neither of which changes what becomes of any packet. The package encodes and decodes the
// vocabulary of package firewall and decides nothing about it: it must not know policies, checks, schedules or files. Of
// tables that are not ours it tells in the words of package census, and copies them byte for byte: it never writes to one.
package kernel
