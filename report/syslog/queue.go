package syslog

import "sync"

// queueSize bounds how many records wait for a server: with one transition a minute, some 17 hours.
const queueSize = 1024

// queue holds records until they are sent. When it is full the oldest goes: what is the matter now is worth more than
// what was, and the history keeps everything.
type queue struct {
	mu      sync.Mutex
	records [][]byte      // oldest first
	dropped uint64        // since the start
	wake    chan struct{} // holds a token when there may be records
}

func newQueue() *queue { return &queue{wake: make(chan struct{}, 1)} }

// put never waits.
func (q *queue) put(record []byte) {
	q.mu.Lock()
	if len(q.records) == queueSize {
		q.records[0] = nil
		q.records = q.records[1:]
		q.dropped++
	}
	q.records = append(q.records, record)
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// take removes the oldest record; nil if there is none.
func (q *queue) take() []byte {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.records) == 0 {
		return nil
	}
	record := q.records[0]
	q.records[0] = nil
	q.records = q.records[1:]
	return record
}

// abandon drops everything that is still there and n records more, and says how many that were.
func (q *queue) abandon(n int) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	n += len(q.records)
	q.records = nil
	q.dropped += uint64(n)
	return n
}

func (q *queue) droppedSoFar() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.dropped
}

func (q *queue) empty() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.records) == 0
}
