package push

import (
	"slices"
	"sync"
	"time"
)

// What one account may do to a service that all of them use. A token may lead to a
// server of its user's own, which fails or hangs as he likes.
const (
	// AccountInFlight is how many POSTs may be in progress for one account. What is
	// more waits for putOff.
	AccountInFlight = 4
	putOff          = time.Second

	// NewTokensPerMinute is how many new tokens an account may register in the long
	// run, and MaxTokens how many at once. Each is a write to the disk and a POST.
	NewTokensPerMinute = 1
)

// shares counts the POSTs in progress for each account. It is safe for concurrent use.
type shares struct {
	mu    sync.Mutex
	under map[string]int
}

// enter takes a place of the account, and reports whether there was one.
func (s *shares) enter(account string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.under[account] >= AccountInFlight {
		return false
	}
	if s.under == nil {
		s.under = make(map[string]int)
	}
	s.under[account]++
	return true
}

func (s *shares) leave(account string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.under[account]--; s.under[account] == 0 {
		delete(s.under, account)
	}
}

// proven remembers the tokens that were delivered to last, by their IDs. A probe with
// one of them says something about the service; another's failure may be its own.
type proven struct {
	mu    sync.Mutex
	known map[uint64]struct{}
	ring  [remembered]uint64
	next  int
}

// add remembers a token, in place of the one that was added longest ago.
func (p *proven) add(token uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := p.known[token]; ok {
		return
	}
	if p.known == nil {
		p.known = make(map[uint64]struct{}, remembered)
	}
	delete(p.known, p.ring[p.next])
	p.ring[p.next], p.known[token] = token, struct{}{}
	p.next = (p.next + 1) % remembered
}

// has reports whether a token was delivered to.
func (p *proven) has(token uint64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, ok := p.known[token]
	return ok
}

// best returns the index of the last of keys whose token is proven, or else of the last.
func (p *proven) best(keys []Key) int {
	for i, k := range slices.Backward(keys) {
		if p.has(k.Token) {
			return i
		}
	}
	return len(keys) - 1
}
