package proof

import (
	"context"
	"slices"

	"sallyport/firewall"
	"sallyport/firewall/kernel"
)

const (
	maxSuspects = 16 // tables that are taken away in turn
	maxAccused  = 64 // differences whose cause is looked for
)

// suspect takes others' tables out of the twin, one after the other, the latest first, and sends again what went wrong:
// the table without which a packet meets its right fate is why it did not. The twin is spoilt after that.
func (s *twinStage) suspect(ctx context.Context, asked []twinQuestion, wrong []Difference) error {
	open := make([]int, 0, len(wrong))
	for i := range wrong[:min(len(wrong), maxAccused)] {
		open = append(open, i)
	}
	tables := slices.DeleteFunc(s.host.tables.IDs(), func(id kernel.TableID) bool { return id == ours() })
	slices.Reverse(tables)
	for _, id := range tables[:min(len(tables), maxSuspects)] {
		if len(open) == 0 {
			return nil
		}
		if err := kernel.DeleteTable(ctx, id); err != nil {
			return err
		}
		var again []TwinPacket
		for _, i := range open {
			again = append(again, asked[i].packet)
		}
		fates, err := s.send(ctx, again)
		if err != nil {
			return err
		}
		var still []int
		for at, i := range open {
			if asked[i].right(fates[at]) {
				wrong[i].Suspect = &id
			} else {
				still = append(still, i)
			}
		}
		open = still
	}
	return nil
}

// ours is the table that the policy is about.
func ours() kernel.TableID { return kernel.TableID{Family: "inet", Name: firewall.Table} }
