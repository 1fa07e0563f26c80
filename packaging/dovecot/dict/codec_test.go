package dict

import (
	"strings"
	"testing"
)

func TestParseRequest(t *testing.T) {
	for _, tt := range []struct {
		line string
		cmd  byte
		args []string
	}{
		{"H3\t2\t0\t\tauth", 'H', []string{"3", "2", "0", "", "auth"}},
		{"Lshared/userdb/a@b\ta@b", 'L', []string{"shared/userdb/a@b", "a@b"}},
		{"L", 'L', []string{""}},
		{"I0\t0\tshared/userdb/\t", 'I', []string{"0", "0", "shared/userdb/", ""}},
		{"S1\tk\001ty\tv\001n\0011\001r\0010", 'S', []string{"1", "k\ty", "v\n\001\r\x00"}},
		{"S1\tk\tv\001", 'S', []string{"1", "k", "v"}},
		{"S1\tk\tv\001x", 'S', []string{"1", "k", "vx"}},
		{"?a\tb\tc\td\te\tf", '?', []string{"a", "b", "c", "d", "e"}},
	} {
		got, ok := parseRequest([]byte(tt.line))
		if !ok || got.cmd != tt.cmd || got.n != len(tt.args) || strings.Join(got.args[:got.n], "|") != strings.Join(tt.args, "|") {
			t.Errorf("parseRequest(%q) = %c %q (%d), %v; want %c %q", tt.line, got.cmd, got.args, got.n, ok, tt.cmd, tt.args)
		}
	}
	if _, ok := parseRequest(nil); ok {
		t.Error("an empty line passed for a request")
	}
}

// A line is parsed into no more than it holds.
func FuzzParseRequest(f *testing.F) {
	f.Add([]byte("Lshared/passdb/pw\"a@b\ta@b"))
	f.Add([]byte("S1\tpriv/x\001\t\001"))
	f.Fuzz(func(t *testing.T, line []byte) {
		r, ok := parseRequest(line)
		if !ok {
			return
		}
		total := 1
		for _, a := range r.args {
			total += len(a)
		}
		if total > len(line) {
			t.Fatalf("%q grew to %q", line, r.args)
		}
	})
}
