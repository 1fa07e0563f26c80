package command

import "testing"

func TestFormatSize(t *testing.T) {
	tests := []struct {
		octets int64
		want   string
	}{
		{0, "0 B"}, {1023, "1023 B"}, {1024, "1.0 KiB"}, {200_000, "195.3 KiB"},
		{1<<20 - 1, "1.0 MiB"}, {500 << 20, "500.0 MiB"}, {10 << 30, "10.0 GiB"}, {1 << 53, "8192.0 TiB"},
	}
	for _, tt := range tests {
		if got := FormatSize(tt.octets); got != tt.want {
			t.Errorf("FormatSize(%d) = %q, want %q", tt.octets, got, tt.want)
		}
	}
}
