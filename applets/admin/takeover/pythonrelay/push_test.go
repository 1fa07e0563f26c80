package pythonrelay

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"chatmaild/push"
)

func TestUnitsAreUnits(t *testing.T) {
	unit := regexp.MustCompile(`^[a-z-]+\.(service|timer|socket|path)$`)
	seen := map[string]bool{}
	for _, u := range append(Units, Staying...) {
		if !unit.MatchString(u.Name) || u.Job == "" || seen[u.Name] {
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
