package snapshot

import (
	"context"
	"errors"
	"io"
	"iter"
	"sync"
)

// Bounds of what is read ahead: in all some 10 MiB.
const (
	lanesAhead  = 6
	blocksAhead = 4
	blockSize   = 256 << 10
)

// A lane is a job that is being done.
type lane[T any] struct {
	blocks chan []byte
	result T
	err    error
}

// ordered does jobs at the same time and writes what they make to w in the jobs' order.
// After each one's bytes, done is told its result.
func ordered[J, T any](
	ctx context.Context, jobs iter.Seq2[J, error], w io.Writer,
	produce func(context.Context, J, io.Writer) (T, error), done func(T) error,
) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	var workers sync.WaitGroup
	defer workers.Wait()
	defer cancel()

	pool := &sync.Pool{New: func() any { return new([blockSize]byte) }}
	// The channel of channels keeps the order: a lane is queued when its job begins, and is
	// written when all before it are, whichever was ready first.
	lanes := make(chan *lane[T], lanesAhead)
	var fault error // of jobs; read when lanes is closed
	workers.Go(func() {
		defer close(lanes)
		for job, err := range jobs {
			if err != nil {
				fault = err
				return
			}
			l := &lane[T]{blocks: make(chan []byte, blocksAhead)}
			select {
			case lanes <- l:
			case <-ctx.Done():
				return
			}
			workers.Go(func() {
				defer close(l.blocks)
				b := &blocks{ctx: ctx, to: l.blocks, pool: pool}
				l.result, l.err = produce(ctx, job, b)
				l.err = errors.Join(l.err, b.flush())
			})
		}
	})
	for l := range lanes {
		for block := range l.blocks {
			if _, err := w.Write(block); err != nil {
				return err
			}
			pool.Put((*[blockSize]byte)(block[:blockSize]))
		}
		if l.err != nil {
			return l.err
		}
		if err := done(l.result); err != nil {
			return err
		}
	}
	return errors.Join(fault, ctx.Err())
}

// blocks cuts a stream into blocks.
type blocks struct {
	ctx  context.Context
	to   chan<- []byte
	pool *sync.Pool
	open []byte
}

func (b *blocks) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		if b.open == nil {
			b.open = b.pool.Get().(*[blockSize]byte)[:0]
		}
		fits := min(blockSize-len(b.open), len(p))
		b.open, p = append(b.open, p[:fits]...), p[fits:]
		if len(b.open) == blockSize {
			if err := b.flush(); err != nil {
				return 0, err
			}
		}
	}
	return n, nil
}

func (b *blocks) flush() error {
	if b.open == nil {
		return nil
	}
	select {
	case b.to <- b.open:
		b.open = nil
		return nil
	case <-b.ctx.Done():
		return b.ctx.Err()
	}
}
