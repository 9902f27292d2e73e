package kernel

import "golang.org/x/sys/unix"

// Count is what a named counter has counted since it was made.
type Count struct {
	Packets, Bytes uint64
}

// Counters are what the table's named counters had counted when it was read, by name.
func (d Dump) Counters() map[string]Count {
	counters := make(map[string]Count)
	for _, o := range d.table.objects {
		if o.kind == nftObjectCounter {
			counters[o.name] = Count{
				Packets: o.data.NumberOr0(unix.NFTA_COUNTER_PACKETS), Bytes: o.data.NumberOr0(unix.NFTA_COUNTER_BYTES),
			}
		}
	}
	return counters
}
