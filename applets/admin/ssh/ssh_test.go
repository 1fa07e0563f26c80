package ssh

import (
	"strings"
	"testing"
)

// TestSaid keeps the end of what another machine says.
func TestSaid(t *testing.T) {
	var s said
	for range 100 {
		if _, err := s.Write([]byte(strings.Repeat("x", 1000))); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Write([]byte("the end\n")); err != nil {
		t.Fatal(err)
	}
	if got := s.String(); len(got) > maxSaid || !strings.HasSuffix(got, "xthe end") {
		t.Errorf("%d bytes, the last are %q", len(got), got[len(got)-20:])
	}
}
