package kernel

import (
	"context"
	"fmt"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"sallyport/firewall"
)

// Count is what a named counter has counted since it was made.
type Count struct {
	Packets, Bytes uint64
}

// Counters reads the named counters of the table inet sallyport, by name. The errors are those of Dump.
func (c *Conn) Counters(ctx context.Context) (map[string]Count, error) {
	return readCounters(ctx, c.netns, firewall.Table)
}

// readCounters reads the named counters of a table. A table that is not there is ErrNoTable.
func readCounters(ctx context.Context, netns int, table string) (map[string]Count, error) {
	ctx, cancel := context.WithTimeout(ctx, dumpLimit)
	defer cancel()
	session, err := openSession(ctx, netns)
	if err != nil {
		return nil, err
	}
	defer session.close()
	if _, err := session.generation(ctx); err != nil { // tells a kernel without nf_tables
		return nil, err
	}
	if _, err := session.table(ctx, table); err != nil {
		return nil, err
	}
	var messages [][]byte
	err = session.ask(ctx, unix.NFT_MSG_GETOBJ, netlink.Dump, stringAttribute(unix.NFTA_OBJ_TABLE, table), func(b []byte) {
		if ofTable(b, table) {
			messages = append(messages, b)
		}
	})
	if err != nil {
		return nil, err
	}
	counters, err := decodeCounters(messages)
	if err != nil {
		return nil, fmt.Errorf("kernel: counters of table inet %s: %w", table, err)
	}
	return counters, nil
}

func decodeCounters(messages [][]byte) (map[string]Count, error) {
	counters := make(map[string]Count)
	for _, message := range messages {
		attrs, err := parseAttributes(message)
		if err != nil {
			return nil, err
		}
		if attrs.numberOr0(unix.NFTA_OBJ_TYPE) != nftObjectCounter {
			continue
		}
		data, err := attrs.nested(unix.NFTA_OBJ_DATA)
		if err != nil {
			return nil, err
		}
		counters[attrs.text(unix.NFTA_OBJ_NAME)] = Count{
			Packets: data.numberOr0(unix.NFTA_COUNTER_PACKETS), Bytes: data.numberOr0(unix.NFTA_COUNTER_BYTES),
		}
	}
	return counters, nil
}
