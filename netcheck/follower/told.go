package follower

import (
	"context"
	"maps"
	"net/netip"
	"slices"
	"time"

	"sallyport/netcheck/resolver"
)

// Reaching tells the addresses of a host that is about to be connected to, where they were not told lately, and returns
// why some of them are not let out. It takes no longer than half a second; what could not be told is not waited for.
func (f *Follower) Reaching(ctx context.Context, host string, addresses []netip.Addr) map[netip.Addr]string {
	name := canonicalHost(host)
	now := time.Now()
	telling := Telling{Name: name}
	f.mu.Lock()
	n := f.names[name]
	if n == nil {
		f.mu.Unlock()
		return nil
	}
	for _, a := range addresses {
		if known := n.addresses[a]; known == nil || now.Sub(known.told) > toldFor {
			telling.Addresses = append(telling.Addresses, resolver.NamedAddress{Addr: a})
		}
	}
	f.mu.Unlock()
	if len(telling.Addresses) > 0 {
		ctx, cancel := context.WithTimeout(ctx, hookTimeout)
		defer cancel()
		_ = f.tell(ctx, []Telling{telling}, true) // Run tries again, and tells of it
	}
	return f.barred(name, addresses)
}

// barred is why addresses of a name are not let out.
func (f *Follower) barred(name string, addresses []netip.Addr) map[netip.Addr]string {
	f.mu.Lock()
	defer f.mu.Unlock()
	why := map[netip.Addr]string{}
	n := f.names[name]
	if n == nil {
		return nil
	}
	for _, a := range addresses {
		if known := n.addresses[a]; known != nil && known.bar != "" {
			why[a] = known.bar
		}
	}
	return why
}

// known is what is known of all names.
func (f *Follower) known() []Telling {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []Telling
	for _, name := range slices.Sorted(maps.Keys(f.names)) {
		if t := f.names[name].telling(name, 0); len(t.Addresses) > 0 {
			all = append(all, t)
		}
	}
	return all
}

// stale is what is known of a name and was not told for a while.
func (f *Follower) stale(name string) []Telling {
	f.mu.Lock()
	defer f.mu.Unlock()
	if n := f.names[name]; n != nil {
		if t := n.telling(name, toldFor); len(t.Addresses) > 0 {
			return []Telling{t}
		}
	}
	return nil
}

// telling is what is known of the name and was not told for that long.
func (n *followed) telling(name string, unless time.Duration) Telling {
	t := Telling{Name: name}
	for addr, a := range n.addresses {
		if time.Since(a.told) >= unless {
			t.Addresses = append(t.Addresses, resolver.NamedAddress{Addr: addr, TTL: a.ttl})
		}
	}
	return t
}

// tell tells, in pieces of a bounded size, and keeps what was answered. Fresh says that the addresses were just resolved.
func (f *Follower) tell(ctx context.Context, all []Telling, fresh bool) error {
	for len(all) > 0 {
		count, addresses := 0, 0
		for count < len(all) && (count == 0 || addresses+len(all[count].Addresses) <= maxTelling) {
			addresses += len(all[count].Addresses)
			count++
		}
		telling, cancel := context.WithTimeout(ctx, teachTimeout)
		barred, err := f.teach(telling, all[:count])
		cancel()
		if err != nil {
			return err
		}
		f.keep(all[:count], barred, fresh)
		all = all[count:]
	}
	return nil
}

// keep remembers what was told.
func (f *Follower) keep(told []Telling, barred []Barred, fresh bool) {
	now := time.Now()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, t := range told {
		if n := f.names[t.Name]; n != nil {
			n.keep(t.Addresses, now, fresh)
		}
	}
	for _, b := range barred {
		if n := f.names[b.Name]; n != nil && n.addresses[b.Addr] != nil {
			n.addresses[b.Addr].bar = b.Why
		}
	}
}

// keep remembers addresses that were told. With fresh ones, those are forgotten that no answer has had for long: a name
// that cannot be resolved for a while goes on leading where it led.
func (n *followed) keep(told []resolver.NamedAddress, now time.Time, fresh bool) {
	for _, a := range told {
		known := n.addresses[a.Addr]
		if known == nil {
			known = &toldAddress{seen: now}
			n.addresses[a.Addr] = known
		}
		known.told, known.bar = now, ""
		if a.TTL > 0 {
			known.ttl = a.TTL
		}
		if fresh {
			known.seen = now
		}
	}
	if fresh {
		maps.DeleteFunc(n.addresses, func(_ netip.Addr, a *toldAddress) bool { return now.Sub(a.seen) > a.ttl+latest })
	}
}
