// Package verdict tells the results of many checks as one: what broke, at which layer, what proves it, what to do first, and
// what is not broken. Results that share a root are told by that root: a resolver that is down is one fault, whatever number
// of names it leaves unresolved.
//
// The rules are a table of pure functions, the most fundamental first; what no rule explains stands for itself. The package
// must not know how the checks work: it reads causes, endpoints and what evidence says by small methods of its own, so it
// judges where the results were made, not where they were read back from JSON.
package verdict
