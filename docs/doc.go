// Package docs holds the reference pages that the program itself can show: one for each cause.
//
// A page says what the cause means, how to see it by hand with the tools that every host has, and what mends it. It is
// for whoever is called at night: short, exact, with commands to copy. Words in capitals (HOST, PORT, RESOLVER, BASE)
// are for the reader to fill in.
package docs
