package command

import (
	"testing"
	"time"
)

func TestFormatSize(t *testing.T) {
	tests := []struct {
		size int64
		want string
	}{
		{0, "0 B"}, {1023, "1023 B"}, {1024, "1.0 KiB"}, {200_000, "195.3 KiB"},
		{1<<20 - 1, "1.0 MiB"}, {500 << 20, "500.0 MiB"}, {10 << 30, "10.0 GiB"}, {1 << 53, "8192.0 TiB"},
	}
	for _, tt := range tests {
		if got := FormatSize(tt.size); got != tt.want {
			t.Errorf("FormatSize(%d) = %q, want %q", tt.size, got, tt.want)
		}
	}
}

func TestFormatDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		1499 * time.Millisecond: "1s", 59*time.Minute + 59*time.Second: "59m59s",
		90 * time.Minute: "1h30m", 47*time.Hour + 59*time.Minute: "47h59m", 48 * time.Hour: "2 days",
	} {
		if got := FormatDuration(d); got != want {
			t.Errorf("FormatDuration(%v) = %q, want %q", d, got, want)
		}
	}
}
