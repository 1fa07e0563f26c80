package auth

import (
	"strings"
	"testing"
)

// FuzzStored: whatever a password file says, it is of use or it is not: one
// that is of no use lets nobody in.
func FuzzStored(f *testing.F) {
	f.Add(shaStored)
	f.Add("{CRYPT}$6$rounds=1000$salt$sum")
	f.Add("{BLF-CRYPT}$2y$04$abc")
	f.Add("{PLAIN}")
	f.Fuzz(func(t *testing.T, stored string) {
		if CheckStored(stored) != nil {
			if Matches(stored, right) {
				t.Fatalf("%q is of no use, and matches", stored)
			}
			return
		}
		if len(stored) > maxStored || strings.ContainsAny(stored, "\n\x00") {
			t.Fatalf("%q is accepted", stored)
		}
	})
}

// BenchmarkSHACrypt is the first login of an account of the Python relay.
func BenchmarkSHACrypt(b *testing.B) {
	for b.Loop() {
		if !Matches(shaStored, right) {
			b.Fatal("the right password is wrong")
		}
	}
}
