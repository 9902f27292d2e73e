package fetch

import (
	"context"
	"errors"
	"sync/atomic"
)

// ErrSpent is a fetch that the run's allowance does not cover any more.
var ErrSpent = errors.New("this run has made all the fetches that it may")

type allowance struct{}

// Within gives a run an allowance of n fetches, over everything that is fetched with the context or one made of it: a
// server whose certificates name a hundred places does not make a hundred requests of one check. A context without an
// allowance does not count.
func Within(ctx context.Context, n int32) context.Context {
	left := new(atomic.Int32)
	left.Store(n)
	return context.WithValue(ctx, allowance{}, left)
}

func spend(ctx context.Context) error {
	left, ok := ctx.Value(allowance{}).(*atomic.Int32)
	if ok && left.Add(-1) < 0 {
		return ErrSpent
	}
	return nil
}
