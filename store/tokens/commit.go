package tokens

import (
	"errors"
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"
)

// Bounds of a transaction that several changes share.
const (
	maxBatch  = 1024
	maxLinger = 2 * time.Millisecond
)

// errClosed answers changes that come after Close.
var errClosed = errors.New("the database is being closed")

// change is something that wants to be written.
type change struct {
	apply func(*batch) error
	done  chan error // gets one answer
}

// batch is a transaction together with what it does to the index once it is on the
// disk.
type batch struct {
	*bolt.Tx
	*overlay
}

// update applies a change and returns when it is on the disk. apply runs while no
// other change does, perhaps twice, and must touch nothing but the batch and its own
// results.
func (f *file) update(apply func(*batch) error) error {
	c := &change{apply: apply, done: make(chan error, 1)}
	select {
	case f.changes <- c:
	case <-f.stop:
		return errClosed
	}
	select {
	case err := <-c.done:
		return err
	case <-f.finished:
	}
	select {
	case err := <-c.done:
		return err
	default:
		return errClosed
	}
}

// commitLoop writes the changes. Those that come while a transaction is being
// synced to the disk share the next one, so that durability costs each of many at
// once a part of a sync, and a lonely one no waiting.
func (f *file) commitLoop() {
	defer close(f.finished)
	var took time.Duration // by the last transaction
	size := 1              // of the last one
	for {
		select {
		case c := <-f.changes:
			batch := f.collect(c, size, took)
			start := time.Now()
			f.commit(batch)
			size, took = len(batch), time.Since(start)
		case <-f.stop:
			for {
				select {
				case c := <-f.changes:
					f.commit([]*change{c})
				default:
					return
				}
			}
		}
	}
}

// collect returns first and what waits with it. Clients that were answered together
// come back together, but not all at once: it waits until there are as many as last
// time, for no longer than a quarter of what the last transaction took.
func (f *file) collect(first *change, want int, atMost time.Duration) []*change {
	batch := []*change{first}
	var timeout <-chan time.Time
	for len(batch) < maxBatch {
		select {
		case c := <-f.changes:
			batch = append(batch, c)
			continue
		default:
		}
		if len(batch) >= want {
			break
		}
		if timeout == nil {
			timeout = time.After(min(atMost/4, maxLinger))
		}
		select {
		case c := <-f.changes:
			batch = append(batch, c)
			continue
		case <-timeout:
		}
		break
	}
	return batch
}

// commit writes changes in one transaction. If that fails, each has another chance
// alone: one that meets a damaged page must not spoil the others.
func (f *file) commit(changes []*change) {
	err := f.transact(changes)
	for _, c := range changes {
		if err != nil && len(changes) > 1 {
			c.done <- f.transact([]*change{c})
			continue
		}
		c.done <- err
	}
}

func (f *file) transact(changes []*change) error {
	o := f.index.overlay()
	err := guard(func() error {
		return f.bolt.Update(func(tx *bolt.Tx) error {
			for _, c := range changes {
				if err := c.apply(&batch{tx, o}); err != nil {
					return err
				}
			}
			return nil
		})
	})
	if err != nil {
		return fmt.Errorf("writing to the database: %w", err)
	}
	f.index.merge(o)
	return nil
}

// view reads what is on the disk.
func (f *file) view(read func(*bolt.Tx) error) error {
	err := guard(func() error { return f.bolt.View(read) })
	if err != nil {
		return fmt.Errorf("reading the database: %w", err)
	}
	return nil
}
