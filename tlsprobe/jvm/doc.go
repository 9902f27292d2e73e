// Package jvm sees trust as a Java service of this host does: it finds the Java virtual machine that the service really
// runs on, its flags and its security properties, and the store of authorities that follows from them, and judges chains
// by it. Java itself is never run: a file says its version. Everything is read with a bound, and what may not be read
// is said in words. It must not know of checks or causes.
package jvm
