package pythonrelay

import (
	"strings"
	"testing"
)

func TestEditedPassword(t *testing.T) {
	sum := strings.Repeat("x", 86)
	for stored, want := range map[string]bool{
		"":                              false,
		"{SHA512-CRYPT}$6$salt$" + sum:  false,
		"DISABLED":                      true,
		"!{SHA512-CRYPT}$6$salt$" + sum: true,
		"x{SHA512-CRYPT}$6$salt$" + sum: true,
		"{SHA512-CRYPT}!$6$salt$" + sum: true,
		"{SHA512-CRYPT}$6$salt$x" + sum: true,
		"{SHA512-CRYPT}":                true,
		"$6$salt$" + sum:                true,
		"{CRYPT}*":                      true,
		"{SSHA}AAAA":                    false,
		"{CRYPT}$y$j9T$salt$sum":        false,
	} {
		if got := EditedPassword(stored); got != want {
			t.Errorf("%.40q: got %v, want %v", stored, got, want)
		}
	}
}
