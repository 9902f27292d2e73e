// Package integration holds the end-to-end tests: the product's binary, run as an operator would run it, in a lab with
// real servers. There is nothing in it but tests; the lab is in the package lab.
package integration
