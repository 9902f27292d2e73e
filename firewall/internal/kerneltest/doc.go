// Package kerneltest is what the tests of the firewall's packages need of the machine: network namespaces of their own, and
// the programs ip and nft in them. It must know none of the packages that are tested.
package kerneltest
