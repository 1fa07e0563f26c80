package pgp

import (
	"bytes"
	"strings"
	"testing"
)

// TestInAlphabet puts each byte into each place of four words, of a single word,
// and after the last one, between bytes of the alphabet and between others.
func TestInAlphabet(t *testing.T) {
	const alphabetText = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	if !inAlphabet(nil) || !inAlphabet([]byte(alphabetText)) {
		t.Error("the alphabet is not in the alphabet")
	}
	for c := range 256 {
		want := strings.IndexByte(alphabetText, byte(c)) >= 0
		for at := range 32 + 8 + 3 {
			for _, around := range []byte("Az09+/") {
				s := bytes.Repeat([]byte{around}, 32+8+3)
				s[at] = byte(c)
				if got := inAlphabet(s); got != want {
					t.Fatalf("byte %#x at %d among %q: %v, want %v", c, at, around, got, want)
				}
			}
			if !want {
				for _, around := range []byte{0, 0x7f, 0x80, 0xff} {
					s := bytes.Repeat([]byte{around}, 32+8+3)
					s[at] = byte(c)
					if inAlphabet(s) {
						t.Fatalf("byte %#x at %d among %#x passes", c, at, around)
					}
				}
			}
		}
	}
}

// TestLines: what Lines takes are lines of data, never the last byte of a
// packet, and nothing outside the data.
func TestLines(t *testing.T) {
	var a Armor
	feed := func(lines ...string) {
		t.Helper()
		for _, line := range lines {
			if err := a.Line([]byte(line)); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
		}
	}
	take := func(block string, want int) {
		t.Helper()
		if got := a.Lines([]byte(block)); got != want {
			t.Errorf("Lines(%q) = %d, want %d", block, got, want)
		}
	}
	a.Reset()
	take("AAAA\r\n", 0)
	feed(Head, "")
	take("AAAA\r\n", 0)
	// A PKESK of 11 bytes, and a SEIPD of 20.
	feed("wQsD" + "AAAAAAAAAAAA")
	feed("AdIUAQAAAAAA")
	take("AAA\r\n", 0)
	take("AAAAAAAA!AAA\r\n", 0)
	take("AAAAAAAAAAA\r\nA\r\n", 0)
	take("AAAAAAAAAAAA\n\n", 0)
	take("AAAAAAAAAAAA\r\nAAAAAAAAAAAA\r\n", 14)
	take("AAAAAAAAAAAA\r\n", 0)
	feed("AAAAAAA=", tail)
	take("AAAA\r\n", 0)
	if err := a.Close(); err != nil {
		t.Error(err)
	}
}
