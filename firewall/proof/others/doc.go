// Package others tells what the rules and programs of others on a host can do to the policy: keep out what it lets in, go
// round it, publish ports that it does not name; and which settings of the kernel have to do with it. It judges what
// package kernel reads, without a packet, and must not know how the policy's own rules are kept in force.
package others
