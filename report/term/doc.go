// Package term lays a document out for a person at a terminal: a line for each check, under those that are not well what
// was seen, every address with its phases, and what to do. It must not know whether there is a terminal, how wide it is,
// or what NO_COLOR says: its caller does.
package term
