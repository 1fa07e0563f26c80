package auth

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"chatmaild/auth/mailaddr"
)

// Options are what a Service is made of. All fields are required.
type Options struct {
	Domain   string // what stands behind the "@"
	Accounts Accounts
	Machine  Machine
	Policy   func() *Policy // the one in force
	Limiter  Limiter        // of new accounts
	Now      func() time.Time
	Key      []byte // 32 random bytes
	Remember int    // verified logins to remember, at most
	Workers  int    // passwords to hash at once: the number of cores
}

// Service answers logins. Its methods may be called concurrently.
type Service struct {
	Options
	verified *memory
	workers  chan struct{}
	making   busy
	counts   *counts
}

// New returns a Service.
func New(o Options) *Service {
	return &Service{Options: o, verified: newMemory(o.Key, o.Remember), workers: make(chan struct{}, o.Workers), counts: newCounts()}
}

// Login checks a password, and creates an account if it is the first login of
// address. Client is where the login comes from, if known. An error is a fault of
// ours, which may pass.
func (s *Service) Login(ctx context.Context, address, password string, client netip.Addr) (Result, error) {
	r, err := s.login(ctx, address, password, client)
	s.counts.note(r, err)
	return r, err
}

// Remembered returns the result of a login that was verified before. That takes
// microseconds; all others are Login's.
func (s *Service) Remembered(address, password string) (r Result, ok bool) {
	addr, err := mailaddr.Parse(address, s.Domain)
	if err != nil {
		return Result{}, false
	}
	t, err := s.try(context.Background(), addr, password)
	if err != nil || t.Outcome != Remembered {
		return Result{}, false
	}
	s.counts.note(t.Result, nil)
	return t.Result, true
}

func (s *Service) login(ctx context.Context, address, password string, client netip.Addr) (Result, error) {
	addr, err := mailaddr.Parse(address, s.Domain)
	if err != nil {
		return Result{Outcome: NotOurs}, nil
	}
	r, err := s.verify(ctx, addr, password)
	if errors.Is(err, ErrNoMailbox) {
		return s.register(ctx, addr, password, client)
	}
	return r, err
}

// User returns whose mailbox address is, and whether there is one that has a
// password, right or wrong.
func (s *Service) User(ctx context.Context, address string) (mailaddr.Address, bool, error) {
	addr, err := mailaddr.Parse(address, s.Domain)
	if err != nil {
		return mailaddr.Address{}, false, nil
	}
	a, err := s.Accounts.Account(ctx, addr)
	switch {
	case errors.Is(err, ErrNoMailbox), errors.Is(err, ErrNoPassword):
		return addr, false, nil
	case err != nil:
		return addr, false, fmt.Errorf("looking up a user: %w", err)
	}
	return addr, a.Stored != "", nil
}

// A trial is a password held against what is stored, as far as that costs nothing. If
// it has no Outcome yet, the verifier's word is needed.
type trial struct {
	Result
	verifier verifier
	digest   digest
}

// try begins a trial. It fails with ErrNoMailbox if there is no such account.
func (s *Service) try(ctx context.Context, addr mailaddr.Address, password string) (t trial, err error) {
	t.Address = addr
	a, err := s.Accounts.Account(ctx, addr)
	switch {
	case errors.Is(err, ErrNoPassword):
		t.Outcome, t.Damage = Damaged, err
		return t, nil
	case err != nil:
		return trial{}, fmt.Errorf("reading a password: %w", err)
	case IsBlocked(a.Stored):
		t.Outcome = BlockedUser
		return t, nil
	}
	t.digest = s.verified.digest(addr, a.Stored, password)
	if s.verified.knows(t.digest) {
		t.Outcome = Remembered
		return t, nil
	}
	if t.verifier, err = parseStored(a.Stored); err != nil {
		t.Outcome, t.Damage = Damaged, fmt.Errorf("the stored password cannot be used: %w", err)
	}
	return t, nil
}

// verify checks the password of an account. It fails with ErrNoMailbox if there
// is none.
func (s *Service) verify(ctx context.Context, addr mailaddr.Address, password string) (Result, error) {
	t, err := s.try(ctx, addr, password)
	if err != nil || t.verifier == nil {
		return t.Result, err
	}
	if err := s.work(ctx, func() {
		if t.verifier.matches(password) {
			s.verified.add(t.digest)
			t.Outcome = Verified
		} else {
			t.Outcome = Wrong
		}
	}); err != nil {
		return Result{}, err
	}
	return t.Result, nil
}

// register makes an account, or says why not. If another login is making it, it
// waits and checks the password like any other login's.
func (s *Service) register(ctx context.Context, addr mailaddr.Address, password string, client netip.Addr) (Result, error) {
	done, err := s.making.start(ctx, addr)
	if err != nil {
		return Result{}, err
	}
	defer done()
	r, err := s.verify(ctx, addr, password)
	if !errors.Is(err, ErrNoMailbox) {
		return r, err
	}
	policy := s.Policy()
	reason, err := s.refuses(policy, addr, password, client)
	if err != nil {
		return Result{}, err
	}
	if reason != NotRefused {
		return Result{Outcome: Refused, Address: addr, Reason: reason}, nil
	}
	var stored string
	if workErr := s.work(ctx, func() { stored, err = Hash(password, policy.Cost) }); workErr != nil {
		return Result{}, workErr
	}
	if err != nil {
		return Result{}, err
	}
	err = s.Accounts.Create(ctx, addr, Account{Stored: stored, EncryptedOnly: true})
	if errors.Is(err, ErrExists) { // another process was faster
		return s.verify(ctx, addr, password)
	}
	if err != nil {
		return Result{}, fmt.Errorf("creating an account: %w", err)
	}
	s.verified.add(s.verified.digest(addr, stored, password))
	return Result{Outcome: Created, Address: addr}, nil
}

// refuses asks the policy, the machine and the rates, the dearest last.
func (s *Service) refuses(p *Policy, addr mailaddr.Address, password string, client netip.Addr) (Reason, error) {
	now := s.Now()
	if p.Registration == Closed {
		return RegistrationClosed, nil
	}
	if reason := p.permits(addr, password, now); reason != NotRefused {
		return reason, nil
	}
	state, err := s.Machine.State()
	if err != nil {
		return "", fmt.Errorf("reading the machine's state: %w", err)
	}
	if reason := p.Accepts(state); reason != NotRefused {
		return reason, nil
	}
	return s.Limiter.Take(client), nil
}

// work runs f when a core is free for it. A storm of logins waits here, while
// those that are remembered pass by.
func (s *Service) work(ctx context.Context, f func()) error {
	select {
	case s.workers <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("too many passwords to hash: %w", ctx.Err())
	}
	defer func() { <-s.workers }()
	f()
	return nil
}
