// Package guard keeps a ruleset in force: it puts one in force, looks again and again whether the live table still is
// what was compiled, and puts it back where it is not. It decides nothing of what the ruleset should be, knows no
// configuration, and speaks to the kernel only through package kernel.
package guard
