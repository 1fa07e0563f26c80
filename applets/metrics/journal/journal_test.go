package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// journalctl makes a program that says out, appends its arguments to a file, and
// ends with status.
func journalctl(t *testing.T, out string, status int) (program string, args func() []string) {
	t.Helper()
	dir := t.TempDir()
	program, asked := filepath.Join(dir, "journalctl"), filepath.Join(dir, "asked")
	said := filepath.Join(dir, "said")
	script := fmt.Sprintf("#!/bin/sh\necho \"$@\" >> %s\ncat %s\necho trouble >&2\nexit %d\n", asked, said, status)
	if err := errors.Join(os.WriteFile(said, []byte(out), 0o600), os.WriteFile(program, []byte(script), 0o700)); err != nil {
		t.Fatal(err)
	}
	return program, func() []string {
		text, err := os.ReadFile(asked)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Split(strings.TrimSpace(string(text)), "\n")
	}
}

// entries are three, of which the second has a message that is not text, and the third none.
const entries = "__CURSOR=c1\n__REALTIME_TIMESTAMP=1\nSYSLOG_IDENTIFIER=postfix/smtpd\nMESSAGE=one=1\n\n" +
	"__CURSOR=c2\nMESSAGE\n\x05\x00\x00\x00\x00\x00\x00\x00two\n\n\nSYSLOG_IDENTIFIER=postfix/smtpd\n\n" +
	"__CURSOR=c3\n\n"

func TestRead(t *testing.T) {
	program, args := journalctl(t, entries, 0)
	r := &Reader{Program: program, Match: Mail}
	var got []Entry
	read := func() {
		t.Helper()
		got = nil
		if err := r.Read(t.Context(), func(e Entry) { got = append(got, e) }); err != nil {
			t.Fatal(err)
		}
	}
	read()
	if len(got) != 0 {
		t.Errorf("the first time: got %v, want nothing", got)
	}
	read()
	if want := []Entry{{"postfix/smtpd", "one=1"}, {"postfix/smtpd", ""}, {"", ""}}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	asked := args()
	if !strings.HasSuffix(asked[0], "--lines=1") || !strings.HasSuffix(asked[1], "--after-cursor=c3 SYSLOG_FACILITY=2") {
		t.Errorf("asked %q", asked)
	}
}

func TestReadFails(t *testing.T) {
	for name, test := range map[string]struct {
		out    string
		status int
		want   string
	}{
		"status":      {entries, 1, "reading the journal: exit status 1: trouble"},
		"cut off":     {"__CURSOR=c1\n", 0, "reading the journal: unexpected EOF"},
		"half a line": {"__CURS", 0, "reading the journal: unexpected EOF"},
		"too long":    {"MESSAGE\n\x00\x00\x00\x00\x00\x00\x00\x80", 0, "reading the journal: MESSAGE has 9223372036854775808 bytes; 65536 at most were expected"},
	} {
		program, _ := journalctl(t, test.out, test.status)
		err := (&Reader{Program: program}).Read(t.Context(), func(Entry) {})
		if err == nil || !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %s", name, err, test.want)
		}
	}
	if err := (&Reader{Program: "/nowhere"}).Read(t.Context(), func(Entry) {}); err == nil {
		t.Error("without the program: got no error")
	}
}

// TestMore leaves to the next Read what is too much for one.
func TestMore(t *testing.T) {
	text := strings.Repeat("__CURSOR=c\n\n", maxEntries) + "__CURSOR=beyond\n\n"
	n := 0
	last, more, err := readEntries(strings.NewReader(text), func(Entry) { n++ })
	if last != "c" || !more || err != nil || n != maxEntries {
		t.Errorf("got %q, %v, %v, %d entries", last, more, err, n)
	}
}

func FuzzReadEntries(f *testing.F) {
	f.Add(entries)
	f.Fuzz(func(t *testing.T, text string) {
		lines, n := strings.Count(text, "\n")+1, 0
		if _, _, err := readEntries(strings.NewReader(text), func(Entry) { n++ }); err == nil && n > lines {
			t.Errorf("got %d entries of %d lines", n, lines)
		}
	})
}
