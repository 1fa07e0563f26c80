package main

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// load is a way of sending: messages of one size over so many connections at
// once, each message over a new one, as Postfix does.
type load struct {
	name        string
	size        int
	connections int
	messages    int           // at least; otherwise the time says
	beside      *load         // continues at the same time and is not counted
	queueTakes  time.Duration // how long the queue thinks about a message
	direct      bool          // send to the queue itself, too
}

const (
	small1  = "2 KiB × 1"
	small50 = "2 KiB × 50"
	medium  = "100 KiB × 10"
	large   = "5 MiB × 10"
	huge    = "25 MiB × 50"
	mixed   = "2 KiB × 4 beside 25 MiB × 4"
	slow    = "2 KiB × 50, slow queue"
)

var loads = []load{
	{name: small1, size: 2 << 10, connections: 1, direct: true},
	{name: small50, size: 2 << 10, connections: 50},
	{name: medium, size: 100 << 10, connections: 10},
	{name: large, size: 5 << 20, connections: 10},
	{name: mixed, size: 2 << 10, connections: 4, beside: &load{size: 25 << 20, connections: 4}},
	{name: slow, size: 2 << 10, connections: 50, queueTakes: 20 * time.Millisecond, direct: true},
	{name: huge, size: 25 << 20, connections: 50, messages: 50},
}

// result is what a load did to a process.
type result struct {
	messages  int
	lasted    time.Duration
	latencies []time.Duration // sorted
	cpu       time.Duration
	peak      float64 // MiB of memory
}

// quantile returns a latency in milliseconds.
func (r result) quantile(q float64) float64 {
	if len(r.latencies) == 0 {
		return 0
	}
	return r.latencies[int(q*float64(len(r.latencies)-1))].Seconds() * 1000
}

// measure starts a process, loads it, and stops it.
func (l load) measure(start func() (*target, error), queue *sink, length time.Duration) (result, error) {
	p, err := start()
	if err != nil {
		return result{}, err
	}
	defer p.stop()
	r, err := l.run(p, queue, length)
	if err != nil {
		return result{}, fmt.Errorf("the %s: %w", p.name, err)
	}
	return r, nil
}

// run loads p for at least the given time. A message that is not taken is an
// error.
func (l load) run(p *target, queue *sink, length time.Duration) (result, error) {
	queue.delay.Store(int64(l.queueTakes))
	before, _, err := p.took()
	if err != nil {
		return result{}, err
	}
	start := time.Now()

	var stop atomic.Bool
	var beside sync.WaitGroup
	besideErrs := make(chan error, 1)
	if l.beside != nil {
		beside.Go(func() {
			_, err := l.beside.send(p.addr, stop.Load)
			besideErrs <- err
		})
	}
	var sent atomic.Int64
	enough := func() bool {
		return time.Since(start) > length && sent.Load() >= int64(l.messages)
	}
	latencies, err := l.sendCounting(p.addr, enough, &sent)
	r := result{messages: len(latencies), lasted: time.Since(start), latencies: latencies}
	after, peak, err1 := p.took()
	r.cpu, r.peak, err = after-before, peak, errors.Join(err, err1)
	stop.Store(true)
	beside.Wait()
	if l.beside != nil {
		err = errors.Join(err, <-besideErrs)
	}
	slices.Sort(r.latencies)
	return r, err
}

func (l load) send(addr string, enough func() bool) ([]time.Duration, error) {
	return l.sendCounting(addr, enough, new(atomic.Int64))
}

// sendCounting sends until it is enough and returns how long each message took,
// from MAIL to the last reply.
func (l load) sendCounting(addr string, enough func() bool, sent *atomic.Int64) ([]time.Duration, error) {
	var (
		all  sync.WaitGroup
		mu   sync.Mutex
		took []time.Duration
		errs []error
	)
	data := encryptedMessage(l.size)
	for i := range l.connections {
		all.Go(func() {
			var mine []time.Duration
			var err error
			for n := i; err == nil && (len(mine) == 0 || !enough()); n += l.connections {
				var d time.Duration
				if d, err = sendOne(addr, n, data); err == nil {
					mine = append(mine, d)
					sent.Add(1)
				}
			}
			mu.Lock()
			defer mu.Unlock()
			took = append(took, mine...)
			if err != nil {
				errs = append(errs, err)
			}
		})
	}
	all.Wait()
	return took, errors.Join(errs...)
}
