package move

import (
	"context"
	"errors"
	"slices"
	"testing"

	"chatmaild/auth"
	"chatmaild/auth/mailaddr"
	"chatmaild/store/directory"
)

func TestNext(t *testing.T) {
	for _, tt := range []struct {
		row  auth.Account
		want step
	}{
		{auth.Account{Home: "a"}, reopen},
		{auth.Account{Home: "a", MovingTo: "b"}, settle},
		{auth.Account{Home: "b"}, remove},
		{auth.Account{Home: "b", MovingTo: "c"}, remove},
		{auth.Account{Home: "b", MovingTo: "a"}, wait},
	} {
		if got := next(tt.row, "a"); got != tt.want {
			t.Errorf("%+v: got %s, want %s", tt.row, got, tt.want)
		}
	}
}

var errFault = errors.New("fault")

// world is a directory of one row and two disks. Whatever is asked of it fails when its
// turn comes, before or after it was done.
type world struct {
	row     auth.Account
	gone    bool
	lagging int // look-ups in the copy until it knows of the move
	open    bool
	a, b    []string // mail
	hasA    bool
	calls   int
	failAt  int // the call that fails; before its effect if before
	before  bool
}

// call does something, or fails.
func (w *world) call(do func()) error {
	w.calls++
	fails := w.calls == w.failAt
	if !fails || !w.before {
		do()
	}
	if fails {
		return errFault
	}
	return nil
}

func (w *world) Read(context.Context, mailaddr.Address) (row directory.Row, err error) {
	err = w.call(func() {
		row = directory.Row{Account: w.row, Answered: true}
		if w.lagging--; w.lagging >= 0 {
			row.MovingTo = ""
		}
	})
	return row, err
}

func (w *world) Each(context.Context, func(mailaddr.Address) error) error { return errFault }

func (w *world) Word(context.Context, mailaddr.Address) (row directory.Row, err error) {
	err = w.call(func() { row.Account = w.row })
	if err == nil && w.gone {
		err = auth.ErrNoMailbox
	}
	return row, err
}

func (w *world) Answer(context.Context, mailaddr.Address) error { return errFault }

func (w *world) Insert(context.Context, mailaddr.Address, auth.Account) error { return errFault }

func (w *world) Replace(_ context.Context, _ mailaddr.Address, from, to auth.Account) (ok bool, err error) {
	err = w.call(func() {
		if ok = w.row == from; ok {
			w.row = to
		}
	})
	return ok, err
}

func (w *world) Delete(context.Context, mailaddr.Address) (bool, error) { return false, errFault }

func (w *world) Close(context.Context, mailaddr.Address) error {
	return w.call(func() { w.open = false })
}

func (w *world) Reopen(context.Context, mailaddr.Address) error {
	return w.call(func() { w.open = true })
}

func (w *world) Copy(_ context.Context, _ mailaddr.Address, to string) error {
	if to != "b" {
		return errFault
	}
	return w.call(func() { w.b = slices.Clone(w.a) })
}

func (w *world) Remove(context.Context, mailaddr.Address) error {
	return w.call(func() { w.a, w.hasA = nil, false })
}

// use is what a client of the mailbox does between two calls: it opens it and gets mail,
// wherever the row lets it.
func (w *world) use(mail string) {
	switch directory.WhoseIs(w.row, "a") {
	case directory.Ours:
		w.open, w.a = true, append(w.a, mail)
	case directory.Elsewhere:
		w.b = append(w.b, mail)
	}
}

// TestFaults has each call of a move fail, before or after its effect; moves on by the
// same call; and counts the mail.
func TestFaults(t *testing.T) {
	addr, err := mailaddr.Parse("alice@chat.example", "chat.example")
	if err != nil {
		t.Fatal(err)
	}
	for failAt := range 14 {
		for _, before := range []bool{false, true} {
			w := &world{
				row: auth.Account{Stored: "{PLAIN}x", Home: "a"}, hasA: true, open: true,
				a: []string{"first"}, lagging: 1, failAt: failAt, before: before,
			}
			m := &Mover{Here: "a", Copy: w, Writer: w, Mailboxes: w}
			want := []string{"first"}
			tries := 0
			for ; m.Move(t.Context(), addr, "b") != nil; tries++ {
				if w.row.MovingTo == "" {
					w.use("later")
					want = append(want, "later")
				}
				if tries > 3 {
					t.Fatalf("call %d: the move does not end", failAt)
				}
			}
			if w.row.Home != "b" || w.row.MovingTo != "" || w.hasA || w.row.Stored != "{PLAIN}x" {
				t.Errorf("call %d: ends with %+v; a mailbox here: %t", failAt, w.row, w.hasA)
			}
			if !slices.Equal(w.b, want) {
				t.Errorf("call %d (before %t): the mail is %q, want %q", failAt, before, w.b, want)
			}
		}
	}
}

// TestDeleted and a cancelled move leave nothing behind.
func TestDeletedAndCancelled(t *testing.T) {
	addr, err := mailaddr.Parse("alice@chat.example", "chat.example")
	if err != nil {
		t.Fatal(err)
	}
	w := &world{gone: true, hasA: true}
	m := &Mover{Here: "a", Copy: w, Writer: w, Mailboxes: w}
	if err := m.Move(t.Context(), addr, "b"); err != nil || w.hasA {
		t.Errorf("of a deleted account: %v; the mailbox is here: %t", err, w.hasA)
	}
	for _, tt := range []struct {
		row, want auth.Account
		done      bool
	}{
		{auth.Account{Home: "a", MovingTo: "b"}, auth.Account{Home: "a"}, true},
		{auth.Account{Home: "a"}, auth.Account{Home: "a"}, false},
	} {
		w := &world{row: tt.row}
		m := &Mover{Here: "a", Copy: w, Writer: w, Mailboxes: w}
		if done, err := Cancel(t.Context(), w, addr); done != tt.done || err != nil || w.row != tt.want {
			t.Errorf("%+v: cancelled %t, %v, and is %+v", tt.row, done, err, w.row)
		}
		if err := m.Finish(t.Context(), addr); err != nil || !w.open || w.row != tt.want {
			t.Errorf("%+v: then it is open %t, and %+v, %v", tt.row, w.open, w.row, err)
		}
	}
	if err := m.Move(t.Context(), addr, "a"); err != nil { // deleted still
		t.Error(err)
	}
	w = &world{row: auth.Account{Home: "a"}}
	m = &Mover{Here: "a", Copy: w, Writer: w, Mailboxes: w}
	if err := m.Move(t.Context(), addr, "a"); err == nil {
		t.Error("moved to where it is")
	}
}
