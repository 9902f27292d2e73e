// Command sallyport keeps a Linux host shut to everything but management, and proves that the host's own ways out work.
// The package parses, wires and runs, one file per subcommand; what is decided is decided elsewhere.
package main
