// Command sallyport-lab shows the whole product in private network namespaces: it builds a host, an admin, a stranger and
// the servers that the host needs, runs Sallyport on the host, breaks things one by one, shows what Sallyport says, and
// cleans up. It is a demonstration and a test: it exits with 0 only if everything went as it should.
//
// Nothing touches the machine's own network. It needs no root where user namespaces are allowed.
package main
