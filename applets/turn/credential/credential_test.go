package credential

import (
	"strconv"
	"testing"
	"time"
)

const secret Secret = "0123456789abcdef"

var now = time.Unix(1_790_000_000, 0)

// TestPassword is a password as coturn's turnutils_uclient -W makes it:
// printf NAME | openssl dgst -sha1 -hmac SECRET -binary | base64
func TestPassword(t *testing.T) {
	if got, want := secret.Password("1758650868"), "nTGY/NlsXLdqGR4ZbjLGiy09C5U="; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestIssue holds that a user has few names, that they last, and that they are valid.
func TestIssue(t *testing.T) {
	names := map[string]bool{}
	for at := now; at.Before(now.Add(5 * 24 * time.Hour)); at = at.Add(7 * time.Minute) {
		name, password := secret.Issue("alice@chat.example.org", at)
		expiry, err := strconv.ParseInt(name, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		if left := time.Unix(expiry, 0).Sub(at); left <= 4*24*time.Hour || left > Lifetime {
			t.Errorf("valid for %v", left)
		}
		if !Valid(name, at) || password != secret.Password(name) {
			t.Errorf("%s is not valid", name)
		}
		names[name] = true
	}
	if len(names) > 6 {
		t.Errorf("%d names in five days", len(names))
	}
	a, _ := secret.Issue("alice@chat.example.org", now)
	b, _ := secret.Issue("bob@chat.example.org", now)
	if a == b {
		t.Error("two users have one name")
	}
}

func TestValid(t *testing.T) {
	for name, want := range map[string]bool{
		"1790000001": true, "1790000000": false, "1789999999": false, "1790432001": true, "1790500000": false,
		"": false, "x": false, "1790000001:alice": false, "+1790000001": false, "01790000001": false, "99999999999999999999": false,
	} {
		if got := Valid(name, now); got != want {
			t.Errorf("%q: got %v, want %v", name, got, want)
		}
	}
}

func TestParse(t *testing.T) {
	for text, ok := range map[string]bool{"0123456789abcdef\n": true, "north\n": false, "": false, "0123456789 abcdef": false} {
		if _, err := Parse([]byte(text)); (err == nil) != ok {
			t.Errorf("%q: got %v", text, err)
		}
	}
}
