// Package dial connects to a host that has several addresses, by the first one that
// answers (RFC 8305): attempts begin 250 ms apart, IPv6 first and the two protocols by
// turns. Which protocol does not get through to a host is remembered, so that it costs
// those 250 ms once.
//
// A connection that no longer leads anywhere, as a kept one does when an address of either side
// has changed, is given up after some seconds; a host may be slow for as long as it answers.
package dial

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// attemptDelay is how long an attempt has before the next one begins beside it (RFC 8305,
// section 5, the Connection Attempt Delay).
const attemptDelay = 250 * time.Millisecond

// deadTime is how long a protocol that did not get through to a host is tried last.
const deadTime = 10 * time.Minute

// maxDead bounds how many hosts are remembered.
const maxDead = 4096

// ErrNoAddress is what a host without an address of a protocol that may be used fails with.
var ErrNoAddress = errors.New("no address that can be reached from here")

// Dialer connects. It is safe for concurrent use.
type Dialer struct {
	IPv4Only bool
	// Source, if valid, is the address to connect from, and its protocol the only one. Behind
	// a router that has it, or puts it there, this machine's own will do.
	Source netip.Addr

	// Connect, if set, takes the place of a net.Dialer.
	Connect func(ctx context.Context, network, address string) (net.Conn, error)

	mu   sync.Mutex
	dead map[string]deadline // by host
}

// deadline is until when a protocol is tried last.
type deadline struct {
	six   bool
	until time.Time
}

// attempt is one connection that was tried.
type attempt struct {
	six  bool
	conn net.Conn
	err  error
}

// Dial connects to a port of a host by one of its addresses. ctx bounds it.
func (d *Dialer) Dial(ctx context.Context, host string, addrs []netip.Addr, port int) (net.Conn, error) {
	order := d.order(host, addrs)
	if len(order) == 0 {
		return nil, ErrNoAddress
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	results := make(chan attempt, len(order))
	var errs []error
	begun, ended := 0, 0
	next := time.NewTimer(0)
	defer next.Stop()
	for {
		select {
		case <-next.C:
			if begun < len(order) {
				addr := order[begun]
				begun++
				go func() {
					conn, err := d.connect(ctx, net.JoinHostPort(addr.String(), strconv.Itoa(port)))
					results <- attempt{addr.Is6(), conn, err}
				}()
				next.Reset(attemptDelay)
			}
		case a := <-results:
			ended++
			if a.err == nil {
				go closeRest(results, begun-ended)
				if first := order[0]; first.Is6() != a.six {
					d.bury(host, first.Is6())
				}
				return a.conn, nil
			}
			errs = append(errs, a.err)
			if ended == len(order) {
				return nil, errors.Join(errs...)
			}
			if ended == begun {
				next.Reset(0)
			}
		}
	}
}

// closeRest closes what was connected too late; ctx has been cancelled by then.
func closeRest(results <-chan attempt, pending int) {
	for range pending {
		if a := <-results; a.conn != nil {
			a.conn.Close()
		}
	}
}

func (d *Dialer) connect(ctx context.Context, address string) (net.Conn, error) {
	if d.Connect != nil {
		return d.Connect(ctx, "tcp", address)
	}
	var dialer net.Dialer
	if d.Source.IsValid() {
		dialer.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(d.Source, 0))
	}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if errors.Is(err, syscall.EADDRNOTAVAIL) && dialer.LocalAddr != nil {
		conn, err = new(net.Dialer).DialContext(ctx, "tcp", address)
	}
	if err != nil {
		return nil, fmt.Errorf("connecting: %w", err)
	}
	return conn, nil
}

// order is the addresses in the order in which to try them.
func (d *Dialer) order(host string, addrs []netip.Addr) []netip.Addr {
	var four, six []netip.Addr
	for _, addr := range addrs {
		switch addr = addr.Unmap(); {
		case d.Source.IsValid() && d.Source.Is4() != addr.Is4():
		case addr.Is4():
			four = append(four, addr)
		case !d.IPv4Only:
			six = append(six, addr)
		}
	}
	switch dead, found := d.buried(host); {
	case found && dead:
		return append(four, six...)
	case found:
		return append(six, four...)
	}
	var order []netip.Addr
	for i := range max(len(four), len(six)) {
		if i < len(six) {
			order = append(order, six[i])
		}
		if i < len(four) {
			order = append(order, four[i])
		}
	}
	return order
}

// bury remembers that a protocol did not get through.
func (d *Dialer) bury(host string, six bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.dead == nil || len(d.dead) >= maxDead {
		d.dead = make(map[string]deadline) // all hosts cost 250 ms once more
	}
	d.dead[host] = deadline{six, time.Now().Add(deadTime)}
}

// buried says which protocol does not get through, if that is known.
func (d *Dialer) buried(host string) (six, found bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	dead, found := d.dead[host]
	if found && time.Now().After(dead.until) {
		delete(d.dead, host)
		return false, false
	}
	return dead.six, found
}
