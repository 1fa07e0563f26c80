package dovecot

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
	"time"
)

// answer is what Dovecot 2.3.19 says.
const answer = "VERSION\tstats-reader-server\t2\t0\nauth\t3\t1500\nauth_yes\t2\t1000\nauth_no\t1\t500\ndelivery\t0\t0\tfield\t1\t2\n\n"

func TestReadStats(t *testing.T) {
	want := map[string]Stat{
		"auth": {3, 1500 * time.Microsecond}, "auth_yes": {2, time.Millisecond}, "auth_no": {1, 500 * time.Microsecond}, "delivery": {},
	}
	got, err := ReadStats(strings.NewReader(answer))
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	for n := range len(answer) - 1 {
		if got, err := ReadStats(strings.NewReader(answer[:n])); err == nil {
			t.Errorf("cut after %d bytes: got %v, want an error", n, got)
		}
	}
	version, _, _ := strings.Cut(answer, "\n")
	for name, lines := range map[string]string{
		"one word": "auth\n", "no number": "auth\tx\t1\n", "no sum": "auth\t1\t-1\n", "a long sum": "auth\t1\t9223372036854775807\n",
		"too many lines": strings.Repeat("auth\t1\t1\n", maxLines), "a long line": strings.Repeat("x", maxLine+1) + "\t1\t1\n",
	} {
		if got, err := ReadStats(strings.NewReader(version + "\n" + lines + "\n")); err == nil {
			t.Errorf("%s: got %v, want an error", name, got)
		}
	}
}

func FuzzReadStats(f *testing.F) {
	f.Add([]byte(answer))
	f.Fuzz(func(t *testing.T, text []byte) {
		stats, err := ReadStats(bytes.NewReader(text))
		if err == nil && len(stats) > maxLines {
			t.Errorf("got %d", len(stats))
		}
		for name, s := range stats {
			if s.Took < 0 {
				t.Errorf("%s: got %+v", name, s)
			}
		}
	})
}
