package tabline

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestEscape(t *testing.T) {
	for _, test := range []struct{ text, field string }{
		{"", ""},
		{"user@chat.example", "user@chat.example"},
		{"a\tb\nc\rd\x00e\x01f", "a\x01tb\x01nc\x01rd\x010e\x011f"},
	} {
		if got := string(AppendField(nil, test.text)); got != test.field {
			t.Errorf("AppendField(%q) = %q, want %q", test.text, got, test.field)
		}
		if got := Unescape([]byte(test.field)); got != test.text {
			t.Errorf("Unescape(%q) = %q, want %q", test.field, got, test.text)
		}
	}
}

// TestUnescapeForeign has escapes that Dovecot reads but never writes.
func TestUnescapeForeign(t *testing.T) {
	for _, test := range []struct{ field, want string }{
		{"a\x01", "a"},
		{"a\x01xb", "axb"},
		{"\x01\x01", "\x01"},
	} {
		if got := Unescape([]byte(test.field)); got != test.want {
			t.Errorf("Unescape(%q) = %q, want %q", test.field, got, test.want)
		}
	}
}

func TestAppendLine(t *testing.T) {
	if got := string(AppendLine([]byte("x"), "OK", "1", "a\tb")); got != "xOK\t1\ta\x01tb\n" {
		t.Errorf("got %q", got)
	}
}

func TestReader(t *testing.T) {
	const most = 3 * readBuffer
	long := strings.Repeat("x", most)
	for _, test := range []struct {
		name, in string
		lines    []string
		err      error
	}{
		{"nothing", "", nil, io.EOF},
		{"lines", "a\n\nb\n", []string{"a", "", "b"}, io.EOF},
		{"the longest", long + "\na\n", []string{long, "a"}, io.EOF},
		{"too long", long + "x\n", nil, ErrTooLong},
		{"endless", long + long, nil, ErrTooLong},
		{"cut", "a\nb", []string{"a"}, ErrCut},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := NewReader(strings.NewReader(test.in), most)
			defer r.Close()
			for _, want := range test.lines {
				if line, err := r.Next(); err != nil || string(line) != want {
					t.Fatalf("got %.20q, %v, want %.20q", line, err, want)
				}
			}
			if line, err := r.Next(); !errors.Is(err, test.err) {
				t.Errorf("got %.20q, %v, want %v", line, err, test.err)
			}
		})
	}
}

// FuzzField: whatever a field is made of, it comes back, and breaks no line.
func FuzzField(f *testing.F) {
	f.Add("user@chat.example")
	f.Add("a\tb\nc\rd\x00e\x01f")
	f.Fuzz(func(t *testing.T, text string) {
		field := AppendField(nil, text)
		if bytes.ContainsAny(field, "\t\r\n\x00") {
			t.Fatalf("%q is written as %q", text, field)
		}
		if got := Unescape(field); got != text {
			t.Fatalf("%q comes back as %q", text, got)
		}
	})
}
