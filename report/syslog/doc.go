// Package syslog tells syslog servers what happened: each transition, and each result where that is asked for.
//
// A record is RFC 5424 with one element of structured data, so that a log server can filter by cause, check, target,
// status and duration without reading the sentence. It travels in datagrams (udp, RFC 5426; unix), or counted in
// octets (tcp, RFC 6587 section 3.4.1; tls, RFC 5425). Never in lines: with those, a newline in a server's words would
// begin a record of the server's own making.
//
// The sockets of the local log daemons are an exception of form. Neither systemd-journald nor rsyslog's imuxsock, as
// they are set up everywhere, reads RFC 5424 there: they take its version for the name of the program. To them goes the
// form of syslog(3), with the same element behind the sentence; see Form. To read RFC 5424 from another unix socket,
// rsyslog wants input(type="imuxsock" useSpecialParser="off" ...).
//
// A Sink never makes its caller wait: records are queued, Run sends them, and a server that is away costs the oldest
// records of a full queue, which are counted. It knows checks, and nothing of how they are run.
package syslog
