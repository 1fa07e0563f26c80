package command

import (
	"fmt"
	"time"
)

// FormatSize writes a number of bytes for people, in powers of 1024.
func FormatSize(size int64) string {
	if size < 1<<10 {
		return fmt.Sprintf("%d B", size)
	}
	units := []string{"KiB", "MiB", "GiB", "TiB"}
	value := float64(size) / (1 << 10)
	i := 0
	// What would be rounded up to 1024.0 is 1.0 of the next unit.
	for value >= 1023.95 && i < len(units)-1 {
		value /= 1 << 10
		i++
	}
	return fmt.Sprintf("%.1f %s", value, units[i])
}

// FormatDuration writes a duration for people, in its two largest units.
func FormatDuration(d time.Duration) string {
	switch d = d.Round(time.Second); {
	case d < time.Hour:
		return d.String()
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	default:
		return fmt.Sprintf("%d days", int(d.Hours()/24))
	}
}
