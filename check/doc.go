// Package check is the shared vocabulary of Sallyport: what a check is, what one run of it saw, and how the daemon's
// belief about it changed. It holds words, not behaviour: no check is run here, no state is kept, no text is laid out,
// and it imports nothing of Sallyport, so that every other package can speak the same language.
package check
