package roll

import (
	"context"
	"errors"
	"testing"

	"chatmaild/store/directory"
)

var errAway = errors.New("no answer")

// list is one that a server has; nil: it does not answer.
func list(machines []directory.Machine) List {
	return func(context.Context) ([]directory.Machine, error) {
		if machines == nil {
			return nil, errAway
		}
		return machines, nil
	}
}

func has(m ...directory.Machine) []directory.Machine { return append([]directory.Machine{}, m...) }

var (
	none   = has()
	lost   = has(directory.Machine{Name: "a", Standing: directory.Lost, Store: "mine"})
	open   = has(directory.Machine{Name: "a", Standing: directory.Open, Store: "mine"})
	others = has(directory.Machine{Name: "a", Standing: directory.Open, Store: "others"})
	bLost  = has(directory.Machine{Name: "b", Standing: directory.Lost})
)

// TestAdmission: a machine that is not known not to be lost serves nobody.
func TestAdmission(t *testing.T) {
	for _, tt := range []struct {
		name             string
		copy, word, b, c []directory.Machine
		store            string // "given up": its mailboxes are
		want             error
	}{
		{"the writer knows it", open, open, nil, nil, "mine", nil},
		{"a new machine", none, none, nil, nil, "", nil},
		{"lost, and its own copy lags", open, lost, nil, nil, "mine", errLost},
		{"lost, by its own copy", lost, nil, nil, nil, "mine", errLost},
		{"nobody answers", open, nil, nil, nil, "mine", ErrAlone},
		{"no writer, but one of the others", open, nil, open, nil, "mine", nil},
		{"no writer, and one of the others knows that it is lost", open, nil, lost, nil, "mine", errLost},
		{"the others differ", open, nil, open, lost, "mine", errLost},
		{"its mailboxes are gone", open, open, nil, nil, "", ErrStore},
		{"they are others", others, others, nil, nil, "mine", ErrStore},
		{"they are gone, and there is no writer", none, nil, open, none, "", ErrStore},
		{"given up, and only its mailboxes know it", open, open, nil, nil, "given up", errLost},
		{"one that is lost itself says so", bLost, nil, lost, open, "mine", nil},
		{"by another's word, it is lost itself", nil, nil, lost, bLost, "mine", nil},
		{"nobody but one that is lost answers", bLost, nil, open, nil, "mine", ErrAlone},
		{"its directory is away", nil, open, nil, nil, "mine", nil},
	} {
		registered := ""
		r := &Roll{
			Here: "a", Members: []string{"a", "b", "c"}, Copy: list(tt.copy), Word: list(tt.word), Others: map[string]List{"b": list(tt.b), "c": list(tt.c)},
			Need: 1, Answers: func(string) bool { return true }, Room: 5, GivenUp: func() bool { return tt.store == "given up" },
			Register: func(_ context.Context, _, store string, _ int64) error { registered = store; return nil },
			Store: func(make bool) (string, error) {
				if make && tt.store == "" {
					return "new", nil
				}
				return tt.store, nil
			},
		}
		if err := r.Admitted(); err == nil {
			t.Errorf("%s: admitted before anybody was asked", tt.name)
		}
		for range 2 {
			r.Look(t.Context())
		}
		if err := r.Admitted(); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, err, tt.want)
		}
		if (registered != "") != (tt.want == nil) {
			t.Errorf("%s: it has registered %q", tt.name, registered)
		}
	}
}

// TestLostForEver: whatever a copy says that lags, a machine that is lost stays so.
func TestLostForEver(t *testing.T) {
	r := &Roll{Here: "b"}
	for _, all := range [][]directory.Machine{lost, open, none, nil} {
		r.Note(all)
		if !r.Lost("a") || r.Lost("b") {
			t.Fatal("a is not lost, or b is")
		}
	}
}

// TestPlaceLost: a machine that is lost creates accounts only by a writer that knows it: another one
// was replaced.
func TestPlaceLost(t *testing.T) {
	for _, tt := range []struct {
		known, word []directory.Machine
		places      bool
	}{
		{open, open, true}, {open, nil, true}, {lost, lost, true}, {lost, open, false}, {lost, none, false}, {lost, nil, false},
	} {
		r := &Roll{Here: "a", Members: []string{"a", "b"}, Word: list(tt.word), Answers: func(string) bool { return true }}
		r.Note(tt.known)
		if _, err := r.Place("alice@chat.example"); (err == nil) != tt.places {
			t.Errorf("%+v: got %v", tt, err)
		}
	}
}

// TestPlaces: accounts come to machines that answer, and are open, by their room if all tell
// it.
func TestPlaces(t *testing.T) {
	r := &Roll{Here: "a", Members: []string{"a", "b", "c", "d"}, Answers: func(m string) bool { return m != "d" }}
	r.Note(has(directory.Machine{Name: "b", Standing: directory.Draining, Room: 1}, directory.Machine{Name: "a", Standing: directory.Open, Room: 9}))
	got := r.Places()
	if len(got) != 2 || got[0].Name != "a" || got[1].Name != "c" {
		t.Errorf("got %+v", got)
	}
	if rooms := Rooms(got); rooms[0].Room != 1 || rooms[1].Room != 1 {
		t.Errorf("one has told no room: %+v", rooms)
	}
	r.Note(has(directory.Machine{Name: "a", Room: 9}, directory.Machine{Name: "c", Room: 3}, directory.Machine{Name: "b", Standing: directory.Lost}))
	if rooms := Rooms(r.Places()); len(rooms) != 2 || rooms[0].Room != 9 || rooms[1].Room != 3 {
		t.Errorf("got %+v", rooms)
	}
}
