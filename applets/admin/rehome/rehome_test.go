package rehome

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"chatmaild/auth"
	"chatmaild/auth/mailaddr"
	"chatmaild/store/directory"
)

// rows is a directory whose porters do, at the next look, what is in then: "moves",
// "stays", as if it was cancelled, "goes", as if it was deleted; else nothing.
type rows struct {
	directory.Writer
	all   map[mailaddr.Address]auth.Account
	then  string
	begun int // at most at a time
	open  int
}

func (r *rows) Word(_ context.Context, addr mailaddr.Address) (directory.Row, error) {
	a, ok := r.all[addr]
	if !ok {
		return directory.Row{}, auth.ErrNoMailbox
	}
	return directory.Row{Account: a, Answered: true}, nil
}

func (r *rows) Replace(_ context.Context, addr mailaddr.Address, from, to auth.Account) (bool, error) {
	if r.all[addr] != from {
		return false, nil
	}
	r.all[addr] = to
	r.open++
	r.begun = max(r.begun, r.open)
	return true, nil
}

func (r *rows) Read(ctx context.Context, addr mailaddr.Address) (directory.Row, error) {
	if a := r.all[addr]; a.MovingTo != "" && r.then != "" {
		r.open--
		switch r.then {
		case "moves":
			r.all[addr] = auth.Account{Home: a.MovingTo}
		case "stays":
			r.all[addr] = auth.Account{Home: a.Home}
		case "goes":
			delete(r.all, addr)
		}
	}
	return r.Word(ctx, addr)
}

func (r *rows) Each(context.Context, func(mailaddr.Address) error) error { return nil }

func TestRun(t *testing.T) {
	for _, tt := range []struct {
		then           string
		moved, skipped int
		err            string
	}{
		{"moves", 100, 2, ""},
		{"goes", 100, 2, ""},
		{"stays", 0, 102, ""},
		{"", 0, 1, "stay closed"}, // one is there already
	} {
		synctest.Test(t, func(t *testing.T) {
			r := &rows{all: map[mailaddr.Address]auth.Account{}, then: tt.then}
			var moves []Move
			for i := range 100 {
				addr, err := mailaddr.Parse(fmt.Sprintf("user%d@chat.example", i), "chat.example")
				if err != nil {
					t.Fatal(err)
				}
				r.all[addr] = auth.Account{Home: "a"}
				moves = append(moves, Move{addr, "a", "b", auth.Account{Home: "a"}})
			}
			gone, _ := mailaddr.Parse("gone@chat.example", "chat.example")
			there, _ := mailaddr.Parse("there@chat.example", "chat.example")
			r.all[there] = auth.Account{Home: "b"}
			moves = append([]Move{{Addr: there, From: "a", To: "b"}}, append(moves, Move{Addr: gone, From: "a", To: "b"})...)
			moved, skipped := 0, 0
			err := Run(t.Context(), Rows{Copy: r, Writer: r}, Pace(), func() (Move, bool, error) {
				if len(moves) == 0 {
					return Move{}, false, nil
				}
				m := moves[0]
				moves = moves[1:]
				return m, true, nil
			}, func(_ Move, err error) {
				if err == nil {
					moved++
				} else {
					skipped++
				}
			})
			if tt.err == "" && err != nil || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
				t.Errorf("%q: got %v, want %q", tt.then, err, tt.err)
			}
			if moved != tt.moved || skipped != tt.skipped || r.begun > window {
				t.Errorf("%q: %d moved and %d skipped, want %d and %d; %d at a time", tt.then, moved, skipped, tt.moved, tt.skipped, r.begun)
			}
		})
	}
}

// TestPace: no more mailboxes move in a second than were asked for, but for those that begin
// together at first.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const pace, moves = 10, 100
		r := &rows{all: map[mailaddr.Address]auth.Account{}, then: "moves"}
		n, moved, start := 0, 0, time.Now()
		err := Run(t.Context(), Rows{Copy: r, Writer: r}, pace, func() (Move, bool, error) {
			if n == moves {
				return Move{}, false, nil
			}
			addr, err := mailaddr.Parse(fmt.Sprintf("user%d@chat.example", n), "chat.example")
			n++
			r.all[addr] = auth.Account{Home: "a"}
			return Move{addr, "a", "b", auth.Account{Home: "a"}}, true, err
		}, func(_ Move, err error) {
			if err == nil {
				moved++
			}
		})
		took := time.Since(start)
		if at := moves / pace * time.Second; err != nil || moved != moves || took > at || took < at-time.Second {
			t.Errorf("%d moved in %v, %v, want %d in just under %v", moved, took, err, moves, at)
		}
	})
}

// TestRunEnds when the command that asked for the move is interrupted.
func TestRunEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		addr, _ := mailaddr.Parse("u@chat.example", "chat.example")
		r := &rows{all: map[mailaddr.Address]auth.Account{addr: {Home: "a"}}}
		ctx, cancel := context.WithCancel(t.Context())
		one := true
		err := Run(ctx, Rows{Copy: r, Writer: r}, Pace(), func() (Move, bool, error) {
			more := one
			one = false
			cancel()
			return Move{Addr: addr, From: "a", To: "b"}, more, nil
		}, func(Move, error) {})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		if r.all[addr].MovingTo != "b" {
			t.Errorf("what was begun is not: %+v", r.all[addr])
		}
	})
}

func TestTakes(t *testing.T) {
	rows := Rows{Machines: func(context.Context) ([]directory.Machine, error) {
		return []directory.Machine{{Name: "a", Standing: directory.Open}, {Name: "b", Standing: directory.Draining}, {Name: "c", Standing: directory.Lost}}, nil
	}}
	for machine, takes := range map[string]bool{"a": true, "b": false, "c": false, "d": true} {
		if err := rows.Takes(t.Context(), machine); (err == nil) != takes {
			t.Errorf("%s: %v", machine, err)
		}
	}
}
