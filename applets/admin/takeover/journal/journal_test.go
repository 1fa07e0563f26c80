package journal

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

func sample() *Journal {
	j := New("chat.example.org", time.Date(2026, 11, 22, 12, 0, 0, 5, time.UTC))
	j.Units = []Unit{{"doveauth.service", true, true, true}}
	j.Servers = []Unit{{"postfix.service", true, true, false}}
	j.Created = []string{"/etc/chatmail/chatmail.toml"}
	j.Blocked = []string{"spammer@chat.example.org"}
	return j
}

func TestJournal(t *testing.T) {
	want := sample()
	for _, step := range append([]Step{""}, steps...) {
		if step != "" {
			if got := want.Next(); got != step {
				t.Errorf("next is %q, want %q", got, step)
			}
			want.Done = append(want.Done, step)
		}
		text, err := want.Encode()
		if err != nil {
			t.Fatal(err)
		}
		got, err := Decode(text)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
	}
	if got := want.Next(); got != "" {
		t.Errorf("after all steps comes %q", got)
	}
}

func TestJournalErrors(t *testing.T) {
	text, err := sample().Encode()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ old, new, want string }{
		{`"version": 1`, `"version": 2`, "use the newer one"},
		{`"version": 1`, `"version": 0`, "damaged"},
		{"chat.example.org", "", "damaged"},
		{"doveauth.service", "../x.service", "is not a unit"},
		{"doveauth.service", "doveauth", "is not a unit"},
		{"/etc/chatmail/chatmail.toml", "/etc/../x", "is not a path"},
		{"/etc/chatmail/chatmail.toml", "/", "is not a path"},
		{"spammer@", "../spammer@", "is not an address"},
		{"spammer@", "", "is not an address"},
		{`"done": null`, `"done": ["sleep"]`, "unknown step"},
		{"{", "", "reading the journal"},
	} {
		damaged := strings.Replace(string(text), tt.old, tt.new, 1)
		if _, err := Decode([]byte(damaged)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("with %s for %s: got %v, want %s", tt.new, tt.old, err, tt.want)
		}
	}
	if _, err := Decode(make([]byte, maxJournal+1)); err == nil {
		t.Error("a journal without end is read")
	}
}

func FuzzJournal(f *testing.F) {
	text, err := sample().Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Fuzz(func(t *testing.T, text []byte) {
		j, err := Decode(text)
		if err != nil {
			return
		}
		again, err := j.Encode()
		if err != nil {
			return // a time that JSON cannot hold
		}
		if _, err := Decode(again); err != nil {
			t.Errorf("what it wrote is refused: %v", err)
		}
	})
}
