package takeover

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"chatmaild/push"
)

func sample() *Journal {
	j := NewJournal("chat.example.org", time.Date(2026, 11, 22, 12, 0, 0, 5, time.UTC))
	j.Units = []OldUnit{{"doveauth.service", true, true, true}}
	j.Servers = []OldUnit{{"postfix.service", true, true, false}}
	j.Created = []string{"/etc/chatmail/chatmail.toml"}
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
		got, err := DecodeJournal(text)
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
		{"doveauth.service", "../x.service", "is no unit"},
		{"doveauth.service", "doveauth", "is no unit"},
		{"/etc/chatmail/chatmail.toml", "/etc/../x", "is no path"},
		{"/etc/chatmail/chatmail.toml", "/", "is no path"},
		{`"done": null`, `"done": ["sleep"]`, "no step"},
		{"{", "", "reading the journal"},
	} {
		damaged := strings.Replace(string(text), tt.old, tt.new, 1)
		if _, err := DecodeJournal([]byte(damaged)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("with %s for %s: got %v, want %s", tt.new, tt.old, err, tt.want)
		}
	}
	if _, err := DecodeJournal(make([]byte, maxJournal+1)); err == nil {
		t.Error("a journal without end is read")
	}
}

func TestUnitsAreUnits(t *testing.T) {
	seen := map[string]bool{}
	for _, u := range append(Units, Staying...) {
		if !unitName(u.Name) || u.Job == "" || seen[u.Name] {
			t.Errorf("%+v: want a unit, once, and its job", u)
		}
		seen[u.Name] = true
	}
}

func TestNotification(t *testing.T) {
	now := time.Unix(1_790_000_000, 0)
	want := Notification{"abc@chat.example.org", now, "openpgp:abc"}
	got, err := DecodeNotification(want.Encode())
	if err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	for text, ok := range map[string]bool{
		"a@b\n1\ntoken":                       true,
		"a@b\n1\n":                            false,
		"a@b\n1":                              false,
		"a@b\nx\ntoken":                       false,
		"a@b\n-1\ntoken":                      false,
		"../a@b\n1\ntoken":                    false,
		"ab\n1\ntoken":                        false,
		"a@b\n1\ntok en":                      false,
		"a@b\n1\n" + strings.Repeat("x", 1e4): false,
	} {
		if _, err := DecodeNotification([]byte(text)); (err == nil) != ok {
			t.Errorf("%.40q: got %v", text, err)
		}
	}
	for age, waits := range map[time.Duration]bool{0: true, time.Hour: true, 5 * time.Hour: false} {
		if got := want.Waits(now.Add(age)); got != waits {
			t.Errorf("after %v: got %v", age, got)
		}
	}
}

// TestTokens holds that what we write for the old relay is what we read from it.
func TestTokens(t *testing.T) {
	now := time.Unix(1_790_000_000, 0)
	want := []push.Token{{Text: "openpgp:a+/=", Seen: now.Add(-time.Hour)}}
	text, err := EncodeTokens(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := push.DecodeLegacy(text, now)
	if err != nil || len(got) != 1 || got[0].Text != want[0].Text || !got[0].Seen.Equal(want[0].Seen) {
		t.Errorf("%s: got %+v, %v, want %+v", text, got, err, want)
	}
}

func FuzzJournal(f *testing.F) {
	text, err := sample().Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Fuzz(func(t *testing.T, text []byte) {
		j, err := DecodeJournal(text)
		if err != nil {
			return
		}
		again, err := j.Encode()
		if err != nil {
			return // a time that JSON cannot hold
		}
		if _, err := DecodeJournal(again); err != nil {
			t.Errorf("what it wrote is refused: %v", err)
		}
	})
}

func FuzzNotification(f *testing.F) {
	f.Add([]byte("abc@chat.example.org\n1790000000\nopenpgp:abc"))
	f.Fuzz(func(t *testing.T, text []byte) {
		n, err := DecodeNotification(text)
		if err != nil {
			return
		}
		if again, err := DecodeNotification(n.Encode()); err != nil || again != n {
			t.Errorf("got %+v, %v, want %+v", again, err, n)
		}
	})
}
