// Command loopback runs the lab's embedded servers on the loopback of the namespace that it is started in, with their
// files in the folder that its argument names. It says "ready" when they answer, and ends when its standard input does.
// The benchmarks start it, to count the processor time of the clients alone.
package main
