package command

import "fmt"

// FormatSize writes a number of octets for people, in powers of 1024.
func FormatSize(octets int64) string {
	if octets < 1<<10 {
		return fmt.Sprintf("%d B", octets)
	}
	units := []string{"KiB", "MiB", "GiB", "TiB"}
	size := float64(octets) / (1 << 10)
	i := 0
	// What would be rounded up to 1024.0 is 1.0 of the next unit.
	for size >= 1023.95 && i < len(units)-1 {
		size /= 1 << 10
		i++
	}
	return fmt.Sprintf("%.1f %s", size, units[i])
}
