package auth

import (
	"context"
	"net/netip"
	"sync"
	"testing"
	"time"

	"chatmaild/auth/mailaddr"
)

const testDomain = "chat.example"

// noon is the time of these tests.
var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// fakeAccounts keeps accounts in a map.
type fakeAccounts struct {
	mu      sync.Mutex
	stored  map[mailaddr.Address]string
	fault   error // of Account
	full    error // of Create
	created int
}

func (m *fakeAccounts) Account(_ context.Context, addr mailaddr.Address) (Account, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fault != nil {
		return Account{}, m.fault
	}
	stored, ok := m.stored[addr]
	if !ok {
		return Account{}, ErrNoMailbox
	}
	return Account{Stored: stored}, nil
}

func (m *fakeAccounts) Create(_ context.Context, addr mailaddr.Address, a Account) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.full != nil {
		return m.full
	}
	if _, ok := m.stored[addr]; ok {
		return ErrExists
	}
	m.stored[addr] = a.Stored
	m.created++
	return nil
}

func (m *fakeAccounts) set(addr mailaddr.Address, stored string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stored[addr] = stored
}

type fakeMachine struct {
	state State
	err   error
}

func (m *fakeMachine) State() (State, error) { return m.state, m.err }

// fixture is a service whose surroundings a test can change.
type fixture struct {
	*Service
	accounts *fakeAccounts
	machine  *fakeMachine
	policy   *Policy
	rates    *Rates
	now      time.Time
}

func newFixture() *fixture {
	f := &fixture{
		accounts: &fakeAccounts{stored: map[mailaddr.Address]string{}},
		machine:  &fakeMachine{state: State{Load: 1, Memory: 1 << 30, Disk: 1 << 40}},
		policy: &Policy{
			Registration: Open, MinLocal: 3, MaxLocal: 9, MinPassword: 9, Reserved: []string{"owner"},
			PerMinute: 300, PerNetworkPerHour: 10, PerNetworkPerDay: 100, MaxLoad: 5, MinMemory: 1 << 20, MinDisk: 1 << 30,
			Cost: MinCost,
		},
		now: noon,
	}
	policy, now := func() *Policy { return f.policy }, func() time.Time { return f.now }
	f.rates = NewRates(policy, now)
	f.Service = New(Options{
		Domain: testDomain, Accounts: f.accounts, Machine: f.machine,
		Policy: policy, Limiter: f.rates, Now: now,
		Key: []byte("a key of a test"), Remember: 100, Workers: 2,
	})
	return f
}

func (f *fixture) login(t *testing.T, address, password string) Result {
	t.Helper()
	r, err := f.Login(context.Background(), address, password, netip.Addr{})
	if err != nil {
		t.Fatalf("logging in as %s: %v", address, err)
	}
	return r
}

func mustParse(t *testing.T, s string) mailaddr.Address {
	t.Helper()
	addr, err := mailaddr.Parse(s, testDomain)
	if err != nil {
		t.Fatal(err)
	}
	return addr
}
