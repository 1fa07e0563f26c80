package retryafter

import (
	"net/http"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Time{
		"0": now, "90": now.Add(90 * time.Second), "Sat, 28 Nov 2026 12:01:00 GMT": now.Add(time.Minute),
		"": {}, "-1": {}, "soon": {}, "1.5": {}, "99999999999": {},
	} {
		if got := Parse(value, now); !got.Equal(want) {
			t.Errorf("%q: got %v, want %v", value, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("120")
	f.Add("Sun, 22 Nov 2026 12:01:00 GMT")
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, value string) {
		at := Parse(value, now)
		if _, err := http.ParseTime(value); err != nil && !at.IsZero() && at.Before(now) {
			t.Errorf("%q: got %v, which is neither a date nor to come", value, at)
		}
	})
}
