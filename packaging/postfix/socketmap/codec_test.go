package socketmap

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestReadNetstring(t *testing.T) {
	for _, tt := range []struct {
		in, want string
		err      error
	}{
		{"12:recipients a,", "recipients a", nil},
		{"0:,", "", nil},
		{"3:a,b,rest", "a,b", nil},
		{"16:0123456789abcdef,", "0123456789abcdef", nil},
		{"", "", io.EOF},
		{"17:0123456789abcdefg,", "", errBroken},
		{"99999999999999999999:", "", errBroken},
		{"03:abc,", "", errBroken},
		{"00:,", "", errBroken},
		{":,", "", errBroken},
		{"-1:,", "", errBroken},
		{" 3:abc,", "", errBroken},
		{"3;abc,", "", errBroken},
		{"3:abcd", "", errBroken},
		{"3:ab", "", errBroken},
		{"3:abc", "", errBroken},
		{"3", "", errBroken},
	} {
		got, err := readNetstring(bufio.NewReader(strings.NewReader(tt.in)), 16)
		if string(got) != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("%q: got %q, %v; want %q, %v", tt.in, got, err, tt.want, tt.err)
		}
	}
}

func TestParseRequest(t *testing.T) {
	for _, tt := range []struct {
		in, table, key string
		ok             bool
	}{
		{"recipients a@b", "recipients", "a@b", true},
		{"recipients a b", "recipients", "a b", true},
		{"recipients ", "recipients", "", true},
		{"recipients", "", "", false},
		{" a@b", "", "", false},
		{"", "", "", false},
	} {
		table, key, err := parseRequest([]byte(tt.in))
		if table != tt.table || key != tt.key || (err == nil) != tt.ok {
			t.Errorf("%q: got %q, %q, %v", tt.in, table, key, err)
		}
	}
}

func TestAppendReply(t *testing.T) {
	for _, tt := range []struct {
		value string
		found bool
		err   error
		want  string
	}{
		{"known", true, nil, "8:OK known,"},
		{"", false, nil, "9:NOTFOUND ,"},
		{"", false, errors.New("no disk"), "12:TEMP no disk,"},
		{strings.Repeat("v", maxReply), true, nil, "26:TEMP the value is too long,"},
		{"", false, errors.New(strings.Repeat("e", 1000)), "205:TEMP " + strings.Repeat("e", 200) + ","},
	} {
		if got := string(appendReply(nil, tt.value, tt.found, tt.err)); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}

// FuzzReadNetstring holds that what is read, and nothing else, is what would be
// written.
func FuzzReadNetstring(f *testing.F) {
	for _, seed := range []string{"12:recipients a,", "0:,", "03:abc,", "3:abc", "5:a,b,", "4096:x"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		r := bufio.NewReader(bytes.NewReader(in))
		got, err := readNetstring(r, maxRequest)
		if err != nil {
			if len(got) > 0 {
				t.Fatalf("%q: got %q and %v", in, got, err)
			}
			return
		}
		rest, _ := io.ReadAll(r)
		if again := append(appendNetstring(nil, string(got)), rest...); !bytes.Equal(again, in) {
			t.Fatalf("%q is read as %q, which is written %q", in, got, again)
		}
		if table, key, err := parseRequest(got); err == nil && table+" "+key != string(got) {
			t.Fatalf("%q is taken apart as %q and %q", got, table, key)
		}
	})
}
