// Package profile says, as data, what a Java virtual machine would offer in a TLS handshake: the lists that its release
// has built in, narrowed by its security and system properties. It must not know where those properties stand, nor of
// connections.
package profile
