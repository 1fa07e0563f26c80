package renewal

import (
	"crypto/x509"
	"testing"
	"time"
)

func TestRenewal(t *testing.T) {
	const day = 24 * time.Hour
	issued := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	cert := &x509.Certificate{NotBefore: issued, NotAfter: issued.Add(90 * day)}
	at := func(days int) time.Time { return issued.Add(time.Duration(days) * day) }
	for _, tt := range []struct {
		name    string
		suggest suggestion
		now     time.Time
		dice    float64
		want    time.Time
	}{
		{"a third of its life left", suggestion{}, at(1), 0, at(60)},
		{"up to a thirtieth earlier", suggestion{}, at(1), 1, at(57)},
		{"as the authority says", suggestion{at: at(58), end: at(59)}, at(1), 1, at(58)},
		{"not in the first half", suggestion{at: at(2), end: at(70)}, at(1), 0, at(45)},
		{"not in the last quarter", suggestion{at: at(89), end: at(90)}, at(1), 0, at(67).Add(12 * time.Hour)},
		{"at once, when the window is over", suggestion{at: at(2), end: at(3)}, at(4), 0, at(4)},
	} {
		if got := renewal(cert, tt.suggest, tt.now, tt.dice); !got.Equal(tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestPause(t *testing.T) {
	for _, tt := range []struct {
		failures int
		kind     string
		dice     float64
		want     time.Duration
	}{
		{1, "dns", 0, 10 * time.Minute},
		{2, "dns", 0, 20 * time.Minute},
		{2, "dns", 1, 24 * time.Minute},
		{6, "rateLimited", 0, 320 * time.Minute},
		{7, "rateLimited", 0, 6 * time.Hour},
		{1000, "rateLimited", 0, 6 * time.Hour},
		{1, "", 0, time.Minute},
		{4, "", 0, 8 * time.Minute},
		{1000, "", 0, 6 * time.Hour},
	} {
		if got := pause(tt.failures, tt.kind, tt.dice); got != tt.want {
			t.Errorf("pause(%d, %q, %v): got %v, want %v", tt.failures, tt.kind, tt.dice, got, tt.want)
		}
	}
}
