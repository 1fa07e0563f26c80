package signer

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	msgauth "github.com/emersion/go-msgauth/dkim"

	"chatmaild/mailfilter/dkim"
)

const text = "From: <a@us.test>\r\nTo: \"hidden-recipients\": ;\r\nDate: Sun, 29 Nov 2026 12:00:00 +0000\r\nSubject: [...]\r\n" +
	"Message-ID: <x@us.test>\r\nAutocrypt: addr=a@us.test;\r\n keydata=AAAA\r\nMIME-Version: 1.0\r\nContent-Type: multipart/encrypted;\r\n\tboundary=b\r\n\r\n" +
	"--b\r\n.dots\r\n\r\n\r\n"

func newSigner(t *testing.T) (s *Signer, record string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return &Signer{Domain: "us.test", Selector: "sel", Key: key}, "v=DKIM1; k=rsa; p=" + base64.StdEncoding.EncodeToString(der)
}

func sign(t *testing.T, s *Signer, text string) string {
	t.Helper()
	field, err := s.Sign(func() io.Reader { return strings.NewReader(text) })
	if err != nil {
		t.Fatal(err)
	}
	return field
}

// valid asks our own verifier and the library's.
func valid(t *testing.T, record, text string) bool {
	t.Helper()
	v := dkim.New(dkim.Options{Now: time.Now, MaxStrangers: 1, Lookup: func(_ context.Context, name string) (dkim.Records, error) {
		if name != "sel._domainkey.us.test" {
			t.Errorf("asked for %s", name)
		}
		return dkim.Records{Texts: []string{record}, TTL: time.Hour}, nil
	}})
	header, body, _ := strings.Cut(text, "\r\n\r\n")
	m := v.Begin([]byte(header+"\r\n"), "us.test")
	defer m.Close()
	if _, err := io.WriteString(m, body); err != nil {
		t.Fatal(err)
	}
	ours := m.Verify() == nil
	results, err := msgauth.VerifyWithOptions(strings.NewReader(text), &msgauth.VerifyOptions{
		LookupTXT: func(string) ([]string, error) { return []string{record}, nil },
	})
	theirs := err == nil && len(results) == 1 && results[0].Err == nil
	if ours != theirs {
		t.Errorf("we say %v, the library %v (%v)", ours, theirs, err)
	}
	return ours
}

func TestSign(t *testing.T) {
	s, record := newSigner(t)
	field := sign(t, s, text)
	if !valid(t, record, field+text) {
		t.Fatalf("not valid: %s", field)
	}
	tags := map[string]string{}
	for tag := range strings.SplitSeq(strings.TrimPrefix(strings.Join(strings.Fields(field), ""), "DKIM-Signature:"), ";") {
		name, value, _ := strings.Cut(tag, "=")
		tags[name] = value
	}
	for name, want := range map[string]string{"a": "rsa-sha256", "c": "relaxed/simple", "d": "us.test", "s": "sel", "v": "1"} {
		if tags[name] != want {
			t.Errorf("%s=%s, want %s", name, tags[name], want)
		}
	}
	fields := strings.Split(strings.ToLower(tags["h"]), ":")
	for name, want := range map[string]int{
		// Once because it is there, and once more lest another is added.
		"from": 2, "to": 2, "date": 2, "subject": 2, "autocrypt": 2, "content-type": 1, "reply-to": 1, "list-id": 1, "message-id": 0,
	} {
		n := 0
		for _, f := range fields {
			if f == name {
				n++
			}
		}
		if n != want {
			t.Errorf("%s is signed %d times, want %d", name, n, want)
		}
	}
	for name, changed := range map[string]string{
		"body":         field + text + "x\r\n",
		"subject":      field + strings.Replace(text, "[...]", "[....]", 1),
		"second From":  field + "From: <b@us.test>\r\n" + text,
		"new Reply-To": field + "Reply-To: <b@us.test>\r\n" + text,
	} {
		if valid(t, record, changed) {
			t.Errorf("%s: still valid", name)
		}
	}
}

// TestAgain wants a signature of ours not to be doubled, and another's to be no obstacle.
func TestAgain(t *testing.T) {
	s, _ := newSigner(t)
	signed := sign(t, s, text) + text
	if field := sign(t, s, signed); field != "" {
		t.Errorf("signed again: %s", field)
	}
	for _, other := range []string{
		"DKIM-Signature: v=1; d=other.test; s=x\r\n", "DKIM-Signature: v=1;\r\n\td=us.test.example\r\n", "X: d=us.test\r\n",
		"DKIM-Signature: v=1; d=other.test\r\nX: a;\r\n d=us.test\r\n",
	} {
		if field := sign(t, s, other+text); field == "" {
			t.Errorf("%q: not signed", other)
		}
	}
	for _, own := range []string{"dkim-signature: d=us.test; v=1\r\n", "DKIM-Signature: v=1;\r\n\td=US.test; s=x\r\n"} {
		if field := sign(t, s, own+text); field != "" {
			t.Errorf("%q: signed again", own)
		}
	}
}

func TestFaults(t *testing.T) {
	s, _ := newSigner(t)
	broken := errors.New("broken")
	if _, err := s.Sign(func() io.Reader { return iotest.ErrReader(broken) }); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	for _, long := range []string{"X: " + strings.Repeat("x", maxHeader), strings.Repeat("X: x\r\n", maxHeader/4)} {
		if _, err := s.Sign(func() io.Reader { return strings.NewReader(long) }); err == nil {
			t.Error("a header that is too long was signed")
		}
	}
	if !slices.Contains(oversigned, "autocrypt") {
		t.Error("Autocrypt can be added again")
	}
}

func BenchmarkSign(b *testing.B) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		b.Fatal(err)
	}
	s := &Signer{Domain: "us.test", Selector: "sel", Key: key}
	body := text + strings.Repeat("0123456789abcdef0123456789abcdef\r\n", 50)
	for b.Loop() {
		if _, err := s.Sign(func() io.Reader { return strings.NewReader(body) }); err != nil {
			b.Fatal(err)
		}
	}
}
