package dkim_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	msgauth "github.com/emersion/go-msgauth/dkim"

	"chatmaild/mailfilter/dkim"
)

const (
	author  = "alice.test"
	message = "From: Alice <a@alice.test>\r\nTo: <b@bob.test>\r\nSubject: [...]\r\n" +
		"Message-ID:  <1@alice.test> \r\nContent-Type: text/plain;\r\n\tcharset=utf-8\r\n\r\n" +
		"Hello  Bob, \r\n\r\n  how are\tyou? \r\n\r\n\r\n"
)

// keyring has the private keys of the tests, by selector.
type keyring map[string]crypto.Signer

// keys are made once: RSA keys take their time.
var keys = sync.OnceValue(func() keyring {
	k := keyring{}
	for name, bits := range map[string]int{"rsa": 2048, "other": 2048} {
		private, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			panic(err)
		}
		k[name] = private
	}
	_, k["ed25519"], _ = ed25519.GenerateKey(nil)
	return k
})

// record is the public part of a key, as the DNS has it.
func record(k crypto.Signer) string {
	if public, ok := k.Public().(ed25519.PublicKey); ok {
		return "v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(public)
	}
	der, err := x509.MarshalPKIXPublicKey(k.Public())
	if err != nil {
		panic(err)
	}
	return "v=DKIM1; k=rsa; p=" + base64.StdEncoding.EncodeToString(der)
}

// zone is a DNS that counts what it is asked.
type zone struct {
	mu    sync.Mutex
	texts map[string][]string
	ttl   time.Duration
	err   error
	asked int
}

func (z *zone) lookup(_ context.Context, name string) (dkim.Records, error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.asked++
	return dkim.Records{Texts: z.texts[name], TTL: z.ttl}, z.err
}

func newZone() *zone {
	z := &zone{texts: map[string][]string{}, ttl: time.Minute}
	for selector, k := range keys() {
		for _, domain := range []string{author, "mallory.test", "sub.alice.test"} {
			z.texts[selector+"._domainkey."+domain] = []string{record(k)}
		}
	}
	return z
}

func (z *zone) count() int {
	z.mu.Lock()
	defer z.mu.Unlock()
	return z.asked
}

// newVerifier returns a verifier that knows no domain yet.
func newVerifier(lookup dkim.Lookup, now func() time.Time) *dkim.Verifier {
	return dkim.New(dkim.Options{Lookup: lookup, Now: now, MaxStrangers: 10})
}

// field is the signature of a message that signed returned.
func field(text string) string { return text[:strings.Index(text, "\r\nFrom: ")+2] }

// signed signs a message with go-msgauth.
func signed(t testing.TB, text, selector string, change func(*msgauth.SignOptions)) string {
	t.Helper()
	o := &msgauth.SignOptions{
		Domain: author, Selector: selector, Signer: keys()[selector],
		HeaderCanonicalization: msgauth.CanonicalizationRelaxed, BodyCanonicalization: msgauth.CanonicalizationSimple,
	}
	if change != nil {
		change(o)
	}
	var b bytes.Buffer
	if err := msgauth.Sign(&b, strings.NewReader(text), o); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// cut separates header and body.
func cut(text string) (header, body string) {
	i := strings.Index(text, "\r\n\r\n")
	if i < 0 {
		return text, ""
	}
	return text[:i+4], text[i+4:]
}

// verify verifies a message whose body comes in pieces.
func verify(v *dkim.Verifier, text string, piece int) error {
	header, body := cut(text)
	m := v.Begin([]byte(header), author)
	defer m.Close()
	for len(body) > piece {
		_, _ = m.Write([]byte(body[:piece]))
		body = body[piece:]
	}
	_, _ = m.Write([]byte(body))
	return m.Verify()
}

// why is what Verify said, in short.
func why(err error) string {
	var no *dkim.Invalid
	switch {
	case err == nil:
		return "valid"
	case errors.Is(err, dkim.ErrUnsigned):
		return "unsigned"
	case errors.Is(err, dkim.ErrPending):
		return "pending"
	case errors.As(err, &no):
		what, _, _ := strings.Cut(no.Err.Error(), ";")
		return what
	default:
		return "unknown"
	}
}
