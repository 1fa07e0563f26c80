package maildir

import "testing"

// TestGivenUp: what was given up is so for the machine that had it, and no other.
func TestGivenUp(t *testing.T) {
	dir := t.TempDir()
	if GivenUp(dir, "a") || GivenUp(dir, "") {
		t.Error("given up from the beginning")
	}
	for range 2 {
		if err := GiveUp(dir, "a"); err != nil {
			t.Fatal(err)
		}
	}
	if !GivenUp(dir, "a") || GivenUp(dir, "b") {
		t.Error("a is not given up, or b is")
	}
}
