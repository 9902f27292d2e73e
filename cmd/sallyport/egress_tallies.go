package main

import (
	"encoding/json"
	"fmt"
	"os/user"
	"strconv"
	"time"

	"sallyport/check"
	"sallyport/config"
	"sallyport/control"
	"sallyport/firewall"
	"sallyport/firewall/guard"
	"sallyport/report/document"
	"sallyport/report/history"
)

// talliesOf is what the guard's tallies say, for the prober; nil where they were never read.
func talliesOf(t guard.Tallies) *control.Tallies {
	if t.At.IsZero() {
		return nil
	}
	told := &control.Tallies{
		At: t.At, KnockingV4: t.KnockingV4, KnockingV6: t.KnockingV6, Count: t.RefusedCount,
		Knocks: make([]control.Knock, len(t.Knocks)), Refused: make([]control.Refusal, len(t.Refused)),
	}
	since := func(expires time.Duration) time.Time {
		return t.At.Add(expires - firewall.KnocksFor).Round(time.Second).UTC()
	}
	for i, k := range t.Knocks {
		told.Knocks[i] = control.Knock{
			From: k.From, Protocol: uint8(k.Protocol), Port: k.Port, Packets: k.Packets, Bytes: k.Bytes,
			Since: since(k.Expires),
		}
	}
	for i, r := range t.Refused {
		told.Refused[i] = control.Refusal{
			To: r.To, Protocol: uint8(r.Protocol), Port: r.Port, UID: r.UID, Packets: r.Packets, Bytes: r.Bytes,
			Since: since(r.Expires),
		}
	}
	for _, b := range t.Barred {
		told.Barred = append(told.Barred, control.RefusedAddress{Name: b.Name, Addr: b.Addr, Why: b.Why})
	}
	return told
}

// traffic is what is known of packets now; nil where nothing is.
func (p *probeProcess) traffic() *document.Traffic {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.tallies == nil {
		return nil
	}
	return trafficOf(p.tallies, p.conf.Firewall.Egress.Mode)
}

// trafficOf is the tallies for a document. Users are named as this host's /etc/passwd has them.
func trafficOf(t *control.Tallies, mode config.EgressMode) *document.Traffic {
	traffic := &document.Traffic{
		Knocking: &document.Knocking{IPv4: t.KnockingV4, IPv6: t.KnockingV6}, Knocks: make([]document.Knock, len(t.Knocks)),
	}
	for i, k := range t.Knocks {
		traffic.Knocks[i] = document.Knock{
			From: k.From, Protocol: protocolName(k.Protocol), Port: k.Port, Packets: k.Packets, Bytes: k.Bytes,
			Since: k.Since,
		}
	}
	if mode == config.EgressOpen {
		return traffic
	}
	egress := &document.Egress{Mode: string(mode), Count: t.Count, Refused: make([]document.Refusal, len(t.Refused))}
	users := map[uint32]string{}
	for i, r := range t.Refused {
		egress.Refused[i] = document.Refusal{
			To: r.To, Protocol: protocolName(r.Protocol), Port: r.Port, UID: r.UID, User: userName(users, r.UID),
			Packets: r.Packets, Bytes: r.Bytes, Since: r.Since,
		}
	}
	for _, b := range t.Barred {
		egress.Barred = append(egress.Barred, document.Barred{Name: b.Name, Address: b.Addr, Why: b.Why})
	}
	traffic.Egress = egress
	return traffic
}

// userName is the name of a user, looked up once; empty where there is none.
func userName(known map[uint32]string, uid *uint32) string {
	if uid == nil {
		return ""
	}
	name, ok := known[*uid]
	if !ok {
		if u, err := user.LookupId(strconv.FormatUint(uint64(*uid), 10)); err == nil {
			name = u.Username
		}
		known[*uid] = name
	}
	return name
}

func protocolName(number uint8) string {
	switch firewall.Protocol(number) {
	case firewall.TCP:
		return "tcp"
	case firewall.UDP:
		return "udp"
	default:
		return fmt.Sprint(number)
	}
}

// withTraffic adds the tallies to the evidence of the firewall's result.
func withTraffic(items []document.Item, traffic *document.Traffic) []document.Item {
	for i := range items {
		if items[i].Kind != check.KindFirewall || items[i].Check != guard.Name || traffic == nil {
			continue
		}
		all := map[string]any{}
		for _, part := range []any{items[i].Evidence, traffic} {
			text, err := json.Marshal(part)
			if err == nil {
				err = json.Unmarshal(text, &all) // null leaves it as it is
			}
			if err != nil {
				return items // evidence of another form than an object stays alone
			}
		}
		items[i].Evidence = all
	}
	return items
}

// knocksOf is who knocked, for the history.
func knocksOf(t *control.Tallies) []history.Knock {
	if t == nil {
		return nil
	}
	list := make([]history.Knock, len(t.Knocks))
	for i, k := range t.Knocks {
		list[i] = history.Knock{
			From: k.From, Protocol: k.Protocol, Port: k.Port, Packets: k.Packets, First: k.Since, Last: t.At,
		}
	}
	return list
}
