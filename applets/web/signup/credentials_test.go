package signup

import (
	"bytes"
	"crypto/rand"
	"errors"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"
)

func TestCredentialsHaveTheConfiguredLengths(t *testing.T) {
	tests := []struct {
		lengths        Lengths
		name, password int
	}{
		{Lengths{9, 9}, 9, 22},
		{Lengths{1, 1}, 1, 22},
		{Lengths{64, 19}, 64, 22},
		{Lengths{9, 20}, 9, 24}, // not 23, which marks automatic clients
		{Lengths{9, 30}, 9, 33},
		{Lengths{9, 72}, 9, 72}, // bcrypt reads no more
	}
	for _, test := range tests {
		c, err := newCredentials(rand.Reader, "[192.0.2.17]", test.lengths)
		if err != nil {
			t.Fatal(err)
		}
		name, domain, _ := strings.Cut(c.Email, "@")
		if len(name) != test.name || len(c.Password) != test.password || domain != "[192.0.2.17]" {
			t.Errorf("%+v: got %+v, want %d and %d characters", test.lengths, c, test.name, test.password)
		}
		if !regexp.MustCompile(`^[a-hj-km-np-z2-9]+$`).MatchString(name) || !regexp.MustCompile(`^[A-Za-z0-9]+$`).MatchString(c.Password) {
			t.Errorf("%+v: got %+v with other characters", test.lengths, c)
		}
	}
}

// Bytes that would favour some characters are drawn again.
func TestRandomTextIsFair(t *testing.T) {
	for _, alphabet := range []string{nameAlphabet, passwordAlphabet} {
		every := make([]byte, 256)
		for i := range every {
			every[i] = byte(i)
		}
		usable := 256 - 256%len(alphabet)
		text, err := randomText(bytes.NewReader(bytes.Repeat(every, 2)), alphabet, usable)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range alphabet {
			if got, want := strings.Count(text, string(r)), usable/len(alphabet); got != want {
				t.Errorf("%q comes %d times of %d, want %d", r, got, usable, want)
			}
		}
	}
}

func TestNoRandomness(t *testing.T) {
	broken := errors.New("broken")
	for _, reader := range []*strings.Reader{strings.NewReader(""), strings.NewReader("123456789")} {
		c, err := newCredentials(iotest.TimeoutReader(reader), "chat.example.org", Lengths{9, 9})
		if err == nil || c != (Credentials{}) {
			t.Errorf("got %v, %v, want an error alone", c, err)
		}
	}
	if _, err := randomText(iotest.ErrReader(broken), nameAlphabet, 9); !errors.Is(err, broken) {
		t.Errorf("got %v, want %v", err, broken)
	}
}

func TestLoginLink(t *testing.T) {
	for _, test := range []struct {
		c          Credentials
		host, want string
		verified   bool
	}{
		{Credentials{"abc@_chat.example.org", "Xy1"}, "_chat.example.org", "dclogin:abc@_chat.example.org?p=Xy1&v=1&ic=3", false},
		{Credentials{"abc@[192.0.2.17]", "Xy1"}, "192.0.2.17", "dclogin:abc@[192.0.2.17]?p=Xy1&v=1&ih=192.0.2.17&sh=192.0.2.17&ic=3", false},
		{Credentials{"abc@[192.0.2.17]", "Xy1"}, "192.0.2.17", "dclogin:abc@[192.0.2.17]?p=Xy1&v=1&ih=192.0.2.17&sh=192.0.2.17&ic=1", true},
		{Credentials{"abc@_chat.example.org", "a&b=c"}, "_chat.example.org", "dclogin:abc@_chat.example.org?p=a%26b%3Dc&v=1&ic=3", false},
	} {
		if got := test.c.LoginLink(test.host, test.verified); got != test.want {
			t.Errorf("got %s, want %s", got, test.want)
		}
	}
}
