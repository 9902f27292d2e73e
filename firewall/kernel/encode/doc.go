// Package encode turns a ruleset into the instructions of nf_tables, the same ones that nft would send for its text. It
// sends nothing and reads nothing, so that a ruleset that cannot be written is refused before half of it is. It must not
// know what is in the kernel, nor how a change is brought there.
package encode
