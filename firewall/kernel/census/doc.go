// Package census is the words in which everything else is told that can judge a host's packets, change them or lead them
// away, and the readers of what of it is no table of nftables: legacy iptables, the matches and targets of xtables, and
// programs that hang on interfaces (XDP, tc, tcx). Package kernel reads the tables of nftables and tells them in these
// words. It must not know what is Sallyport's, nor whether what it tells of does harm.
package census
