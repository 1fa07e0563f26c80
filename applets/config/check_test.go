package config

import (
	"strings"
	"testing"
)

func TestIsLabel(t *testing.T) {
	long := strings.Repeat("a", maxLabel)
	for text, want := range map[string]bool{
		"a": true, "7": true, "a-b--c9": true, long: true, long + "a": false,
		"": false, "-": false, "-a": false, "a-": false, "A": false, "a.b": false, "a_b": false, "a b": false, "é": false, "a\n": false,
	} {
		if got := isLabel(text); got != want {
			t.Errorf("isLabel(%q): got %v, want %v", text, got, want)
		}
	}
}
