// Package sockets says what the host's sockets are: who is connected, what listens, which process and unit holds it, by
// which interface an address is reached; and ends connections. It asks sock_diag(7), rtnetlink(7) and proc(5), each time
// about the network namespace of the calling thread. It must not know nftables, nor policies: whether a socket should be
// there is for others to judge.
package sockets
