// Package invitestest holds implementations of invites.Tokens to their contract.
package invitestest

import (
	"errors"
	"sync"
	"testing"
	"time"

	"chatmaild/store/invites"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// Tokens holds what open returns to the contract: each time tokens of which there are none,
// which a process opens by calling the function.
func Tokens(t *testing.T, open func(t *testing.T) func() invites.Tokens) {
	for name, test := range map[string]func(*testing.T, func() invites.Tokens){
		"life": life, "uses are counted": counted,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

func life(t *testing.T, open func() invites.Tokens) {
	s := open()
	invite, err := s.Create(t.Context(), "token one", 2, noon.Add(time.Hour), "for friends", noon)
	if err != nil {
		t.Fatal(err)
	}
	for i, tt := range []struct {
		token string
		at    time.Time
		want  error
	}{
		{"another token", noon, invites.ErrNotValid},
		{"", noon, invites.ErrNotValid},
		{"token one", noon.Add(time.Hour), invites.ErrNotValid},
		{"token one", noon, nil},
		{"token one", noon.Add(59 * time.Minute), nil},
		{"token one", noon, invites.ErrNotValid},
	} {
		if err := s.Use(t.Context(), tt.token, tt.at); !errors.Is(err, tt.want) {
			t.Errorf("use %d: %v, want %v", i, err, tt.want)
		}
	}
	all, err := s.List(t.Context())
	if err != nil || len(all) != 1 || all[0].ID != invite.ID || all[0].Uses != 0 || all[0].Note != "for friends" || all[0].Digest != "" ||
		!all[0].Expires.Equal(noon.Add(time.Hour)) {
		t.Errorf("listed: %+v, %v", all, err)
	}
	// Creating a new one throws away those of no use.
	second, err := s.Create(t.Context(), "token two", 1, noon.Add(time.Hour), "", noon)
	if err != nil {
		t.Fatal(err)
	}
	if all, _ := s.List(t.Context()); len(all) != 1 || all[0].ID != second.ID {
		t.Errorf("listed: %+v", all)
	}
	if err := s.Revoke(t.Context(), second.ID); err != nil {
		t.Error(err)
	}
	if err := s.Revoke(t.Context(), second.ID); !errors.Is(err, invites.ErrNoInvite) {
		t.Errorf("revoked twice: %v", err)
	}
	if err := s.Use(t.Context(), "token two", noon); !errors.Is(err, invites.ErrNotValid) {
		t.Errorf("used though revoked: %v", err)
	}
}

// counted: no use is given twice, however many ask at once, each by itself.
func counted(t *testing.T, open func() invites.Tokens) {
	if _, err := open().Create(t.Context(), "token", 7, noon.Add(time.Hour), "", noon); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	taken := 0
	for range 20 {
		all.Go(func() {
			err := open().Use(t.Context(), "token", noon)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				taken++
			} else if !errors.Is(err, invites.ErrNotValid) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if taken != 7 {
		t.Errorf("7 uses were taken %d times", taken)
	}
}
