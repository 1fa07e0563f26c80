package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"chatmaild/testdata/lab"
	"chatmaild/testdata/lab/load"
	"chatmaild/testdata/lab/machine"
	"chatmaild/testdata/lab/peer"
	"chatmaild/testdata/lab/usage"
)

// A sample is how the relay is at one moment, and what happened since the one before.
type sample struct {
	At       time.Time `json:"at"`
	Memory   parts     `json:"memory_mib"` // PSS
	CPU      parts     `json:"processors"` // that were busy
	P50      float64   `json:"p50_ms"`     // of texts, until fetched
	P95      float64   `json:"p95_ms"`
	Texts    int       `json:"texts"`
	Messages float64   `json:"messages_per_second"` // that were fetched
	Pushes   float64   `json:"pushes_per_second"`
	Sessions int       `json:"sessions"`
	Disk     float64   `json:"mailboxes_mib"`
	Files    int       `json:"descriptors"`
	// Available is the memory that processes could still have, of a relay that is held to a
	// small machine.
	Available float64 `json:"available_mib"`

	Programs map[string]program `json:"programs"` // by service and name
}

// parts are a figure of all services, and of whose they are.
type parts struct {
	All     float64 `json:"all"`
	Dovecot float64 `json:"dovecot"`
	Postfix float64 `json:"postfix"`
	Ours    float64 `json:"ours"` // and all others
}

// partsOf takes a figure of each service apart.
func partsOf(u usage.Usage, of func(usage.Service) float64) (p parts) {
	for name, s := range u.Services {
		v := of(s)
		p.All += v
		switch name {
		case "dovecot":
			p.Dovecot += v
		case "postfix", "postfix@":
			p.Postfix += v
		default:
			p.Ours += v
		}
	}
	return p
}

func (p parts) minus(q parts) parts {
	return parts{p.All - q.All, p.Dovecot - q.Dovecot, p.Postfix - q.Postfix, p.Ours - q.Ours}
}

func (p parts) times(f float64) parts {
	return parts{p.All * f, p.Dovecot * f, p.Postfix * f, p.Ours * f}
}

func memoryOf(u usage.Usage) parts {
	return partsOf(u, func(s usage.Service) float64 { return float64(s.Sum().PSS) / (1 << 20) })
}

func cpuOf(u usage.Usage) parts {
	return partsOf(u, func(s usage.Service) float64 { return s.CPU.Seconds() })
}

// A watch takes samples.
type watch struct {
	relay  *lab.Relay
	load   *load.Load
	pushes *peer.PushService
	every  time.Duration

	mu      sync.Mutex
	samples []sample
	before  state
}

// state is what counts only upwards.
type state struct {
	usage.Usage
	arrived, pushes int
}

// diskEvery is after how many samples the mailboxes are walked.
const diskEvery = 6

// run takes samples until ctx ends.
func (w *watch) run(ctx context.Context) {
	tick := time.NewTicker(w.every)
	defer tick.Stop()
	for {
		// A relay that is being restarted has nothing to read, and the next sample shows it.
		if err := w.take(); err != nil && ctx.Err() == nil {
			fmt.Println("no sample:", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// take takes one sample.
func (w *watch) take() error {
	u, err := usage.Read(w.relay.Host)
	if err != nil {
		return err
	}
	now := state{u, w.load.Mail.Arrived(), w.pushes.Count()}
	w.mu.Lock()
	defer w.mu.Unlock()
	before := w.before
	w.before = now
	if before.At.IsZero() {
		return nil
	}
	seconds := now.At.Sub(before.At).Seconds()
	texts := w.load.Mail.Texts(before.At, now.At)
	s := sample{
		At: now.At, Memory: memoryOf(u), CPU: cpuOf(u).minus(cpuOf(before.Usage)).times(1 / seconds),
		P50: quantile(texts, 0.5), P95: quantile(texts, 0.95), Texts: len(texts),
		Messages: float64(now.arrived-before.arrived) / seconds, Pushes: float64(now.pushes-before.pushes) / seconds,
		Sessions: w.load.Events().Sessions, Files: u.Sum().Descriptors, Programs: programsOf(u),
	}
	if n := len(w.samples); n%diskEvery == 0 {
		size, err := w.load.Disk()
		if err != nil {
			return err
		}
		s.Disk = float64(size) / (1 << 20)
	} else {
		s.Disk = w.samples[n-1].Disk
	}
	if w.relay.Limits != nil {
		m, err := machine.ReadMemory(w.relay.Host)
		if err != nil {
			return err
		}
		s.Available = float64(m.Available()) / (1 << 20)
		if err := machine.ShowMemory(w.relay.Host); err != nil {
			return err
		}
	}
	w.samples = append(w.samples, s)
	return nil
}

// quantile is that of durations in milliseconds.
func quantile(of []time.Duration, q float64) float64 {
	if len(of) == 0 {
		return 0
	}
	return float64(lab.Quantile(of, q)) / float64(time.Millisecond)
}

// all returns the samples so far.
func (w *watch) all() []sample {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.samples[:len(w.samples):len(w.samples)]
}
