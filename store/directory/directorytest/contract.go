// Package directorytest holds implementations of directory.Accounts to their contract.
package directorytest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"chatmaild/auth"
	"chatmaild/auth/mailaddr"
	"chatmaild/store/directory"
)

// Domain is that of the addresses of the tests.
const Domain = "chat.example"

// Address returns an address of Domain.
func Address(t testing.TB, local string) mailaddr.Address {
	t.Helper()
	addr, err := mailaddr.Parse(local+"@"+Domain, Domain)
	if err != nil {
		t.Fatal(err)
	}
	return addr
}

// Accounts holds the accounts that open returns, which are empty, to the contract.
func Accounts(t *testing.T, open func(t *testing.T) directory.Accounts) {
	for name, test := range map[string]func(*testing.T, directory.Accounts){
		"create": create, "change": change, "remove": remove, "each": each,
		"one creates": oneCreates, "one changes": oneChanges,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

var first = auth.Account{Stored: "{PLAIN}first", EncryptedOnly: true}

// want fails unless addr has that account, or there is none and err says so.
func want(t *testing.T, d directory.Accounts, addr mailaddr.Address, account auth.Account, err error) {
	t.Helper()
	got, gotErr := d.Account(t.Context(), addr)
	if got != account || !errors.Is(gotErr, err) {
		t.Errorf("the account is %+v, %v; want %+v, %v", got, gotErr, account, err)
	}
}

func create(t *testing.T, d directory.Accounts) {
	alice := Address(t, "alice")
	want(t, d, alice, auth.Account{}, auth.ErrNoMailbox)
	if err := d.Create(t.Context(), alice, first); err != nil {
		t.Fatal(err)
	}
	if err := d.Create(t.Context(), alice, auth.Account{Stored: "{PLAIN}second"}); !errors.Is(err, auth.ErrExists) {
		t.Errorf("again: %v", err)
	}
	want(t, d, alice, first, nil)
	want(t, d, Address(t, "alic"), auth.Account{}, auth.ErrNoMailbox)
}

func change(t *testing.T, d directory.Accounts) {
	alice := Address(t, "alice")
	second := auth.Account{Stored: auth.Block(first.Stored), EncryptedOnly: true}
	third := auth.Account{Stored: first.Stored}
	if err := d.Change(t.Context(), alice, first, second); !errors.Is(err, auth.ErrNoMailbox) {
		t.Errorf("before there is one: %v", err)
	}
	if err := d.Create(t.Context(), alice, first); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		from, to, now auth.Account
		err           error
	}{
		{first, second, second, nil},
		{first, third, second, directory.ErrChanged},
		{second, third, third, nil},
		{auth.Account{Stored: third.Stored, EncryptedOnly: true}, first, third, directory.ErrChanged},
		{third, third, third, nil},
		{third, first, first, nil},
	} {
		if err := d.Change(t.Context(), alice, step.from, step.to); !errors.Is(err, step.err) {
			t.Errorf("%+v to %+v: got %v, want %v", step.from, step.to, err, step.err)
		}
		want(t, d, alice, step.now, nil)
	}
}

func remove(t *testing.T, d directory.Accounts) {
	alice, bob := Address(t, "alice"), Address(t, "bob")
	for _, addr := range []mailaddr.Address{alice, bob} {
		if err := d.Create(t.Context(), addr, first); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Remove(t.Context(), alice); err != nil {
		t.Fatal(err)
	}
	want(t, d, alice, auth.Account{}, auth.ErrNoMailbox)
	want(t, d, bob, first, nil)
	if err := d.Remove(t.Context(), alice); !errors.Is(err, auth.ErrNoMailbox) {
		t.Errorf("again: %v", err)
	}
	if err := d.Create(t.Context(), alice, first); err != nil {
		t.Errorf("the address is not free: %v", err)
	}
}

func each(t *testing.T, d directory.Accounts) {
	var all, seen []string
	for i := range 300 {
		addr := Address(t, fmt.Sprintf("user%03d", i))
		if err := d.Create(t.Context(), addr, first); err != nil {
			t.Fatal(err)
		}
		all = append(all, addr.String())
	}
	if err := d.Each(t.Context(), func(addr mailaddr.Address) error {
		seen = append(seen, addr.String())
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if slices.Sort(seen); !slices.Equal(seen, all) {
		t.Errorf("got %d accounts, want %d: %q", len(seen), len(all), seen)
	}
	enough, calls := errors.New("enough"), 0
	if err := d.Each(t.Context(), func(mailaddr.Address) error { calls++; return enough }); err != enough || calls != 1 {
		t.Errorf("stopped after %d accounts: %v", calls, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := d.Each(ctx, func(mailaddr.Address) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("it goes on without a caller: %v", err)
	}
}

// racers is how many try the same thing at once.
const racers = 16

// race has all racers do something at once, and returns how many succeeded; the others
// must have failed with lost.
func race(t *testing.T, lost error, do func(i int) error) (won []int) {
	t.Helper()
	errs := make([]error, racers)
	var wg sync.WaitGroup
	for i := range racers {
		wg.Go(func() { errs[i] = do(i) })
	}
	wg.Wait()
	for i, err := range errs {
		switch {
		case err == nil:
			won = append(won, i)
		case !errors.Is(err, lost):
			t.Errorf("a racer failed with %v", err)
		}
	}
	return won
}

func nth(i int) auth.Account {
	return auth.Account{Stored: fmt.Sprintf("{PLAIN}%d", i), EncryptedOnly: true}
}

func oneCreates(t *testing.T, d directory.Accounts) {
	alice := Address(t, "alice")
	won := race(t, auth.ErrExists, func(i int) error { return d.Create(t.Context(), alice, nth(i)) })
	if len(won) != 1 {
		t.Fatalf("%d racers made the account", len(won))
	}
	want(t, d, alice, nth(won[0]), nil)
}

func oneChanges(t *testing.T, d directory.Accounts) {
	alice := Address(t, "alice")
	if err := d.Create(t.Context(), alice, first); err != nil {
		t.Fatal(err)
	}
	won := race(t, directory.ErrChanged, func(i int) error { return d.Change(t.Context(), alice, first, nth(i)) })
	if len(won) != 1 {
		t.Fatalf("%d racers changed the account", len(won))
	}
	want(t, d, alice, nth(won[0]), nil)
}
