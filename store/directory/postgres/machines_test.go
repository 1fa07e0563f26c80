package postgres

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"chatmaild/auth"
	"chatmaild/store/directory"
	"chatmaild/store/directory/directorytest"
)

func testMachines(t *testing.T, d *Directory, address string) {
	ctx := t.Context()
	for i, step := range []struct {
		do   func() error
		want error
	}{
		{func() error { return d.Register(ctx, "a", "mine", 7) }, nil},
		{func() error { return d.Register(ctx, "a", "mine", 9) }, nil},
		{func() error { return d.Register(ctx, "a", "others", 9) }, directory.ErrChanged},
		{func() error { return d.Stand(ctx, "a", directory.Draining) }, nil},
		{func() error { return d.Stand(ctx, "b", directory.Draining) }, nil},
		{func() error { return d.Stand(ctx, "b", directory.Open) }, nil},
		{func() error { return d.Register(ctx, "b", "theirs", 3) }, nil},
		{func() error { return d.Stand(ctx, "b", directory.Lost) }, nil},
		{func() error { return d.Stand(ctx, "b", directory.Lost) }, nil},
		{func() error { return d.Stand(ctx, "b", directory.Open) }, directory.ErrChanged},
		{func() error { return d.Register(ctx, "b", "theirs", 3) }, directory.ErrChanged},
		{func() error { return d.Retire(ctx, "b") }, directory.ErrChanged},
		{func() error { return d.Register(ctx, "d", "first", 3) }, nil},
		{func() error { return d.Stand(ctx, "d", directory.Draining) }, nil},
		{func() error { return d.Retire(ctx, "d") }, nil},
		{func() error { return d.Register(ctx, "d", "second", 0) }, nil},
		{func() error { return d.Stand(ctx, "c", "nonsense") }, directory.ErrUnavailable},
	} {
		if err := step.do(); !errors.Is(err, step.want) {
			t.Errorf("step %d: got %v, want %v", i, err, step.want)
		}
	}
	want := []directory.Machine{{Name: "a", Standing: directory.Draining, Store: "mine", Room: 9}, {Name: "b", Standing: directory.Lost, Store: "theirs", Room: 3}, {Name: "d", Standing: directory.Open, Store: "second"}}
	of, err := MachinesOf(ctx, address)
	if err != nil {
		t.Fatal(err)
	}
	word, err := d.MachinesWord(ctx)
	if err != nil {
		t.Fatal(err)
	}
	here, err := d.Machines(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, got := range [][]directory.Machine{of, word, here} {
		slices.SortFunc(got, func(a, b directory.Machine) int { return strings.Compare(a.Name, b.Name) })
		if !slices.Equal(got, want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
	for _, a := range []struct{ local, home, to string }{{"mia", "a", ""}, {"moe", "a", "b"}, {"max", "b", "a"}} {
		if err := d.Create(ctx, directorytest.Address(t, a.local), auth.Account{Stored: "{PLAIN}x", Home: a.home, MovingTo: a.to}); err != nil {
			t.Fatal(err)
		}
	}
	moe := directorytest.Address(t, "moe")
	if got, err := d.Moving(ctx, "a", 10); err != nil || len(got) != 1 || got[0] != moe {
		t.Errorf("from a moves %v, %v", got, err)
	}
	got, err := d.Housed(ctx, "a", "")
	if err != nil || len(got) != 2 || got[1].Address != moe || got[1].MovingTo != "b" {
		t.Errorf("on a are %+v, %v", got, err)
	}
	if got, err := d.Housed(ctx, "a", moe.String()); err != nil || len(got) != 0 {
		t.Errorf("after the last are %+v, %v", got, err)
	}
}
