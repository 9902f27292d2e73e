package netcheck

import (
	"context"

	"sallyport/check"
)

// typeNS is the record type NS (RFC 1035 section 3.2.2): every resolver can say who serves the root.
const typeNS = 2

// blockedBy asks who on this host ends the packets to the servers that cannot be reached, and says so in the words of their
// errors. A rule here that refuses a question looks like a server that does: EPERM, or an ICMP message.
func (t DNSTarget) blockedBy(ctx context.Context, asked *dnsAsked) {
	if t.blocks == nil {
		return
	}
	asked.blockers = make([]*Blocker, len(asked.answers))
	for i := range asked.answers {
		a, server := &asked.answers[i], asked.servers[i]
		to, udp := server.Destination()
		flight := Flight{To: to, UDP: udp}
		if a.Err == nil {
			t.blocks.forget(flight)
			continue
		}
		if a.Err.Cause != check.DNSUnreachable || !to.IsValid() || ctx.Err() != nil {
			continue
		}
		blocker := t.blocks.find(ctx, flight, a.Err.Cause, func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(ctx, min(againWait, share(ctx, 1, 2)))
			defer cancel()
			_, err := server.Ask(ctx, ".", typeNS)
			return err
		})
		if blocker == nil {
			continue
		}
		told := *a.Err
		told.Detail = "cannot be reached: " + blocker.Words("the question")
		a.Err, asked.blockers[i] = &told, blocker
	}
}
