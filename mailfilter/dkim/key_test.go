package dkim_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"slices"
	"strings"
	"testing"
	"time"

	msgauth "github.com/emersion/go-msgauth/dkim"
)

func TestKeys(t *testing.T) {
	plain := record(keys()["rsa"])
	p := plain[strings.Index(plain, "p="):]
	pkcs1 := base64.StdEncoding.EncodeToString(x509.MarshalPKCS1PublicKey(keys()["rsa"].Public().(*rsa.PublicKey)))
	good := signed(t, message, "rsa", nil)
	below := signed(t, message, "rsa", func(o *msgauth.SignOptions) { o.Identifier = "@x.alice.test" })
	for _, tt := range []struct {
		name, text string
		records    []string
		want       string
	}{
		{"plain", good, []string{plain}, "valid"},
		{"p alone", good, []string{p}, "valid"},
		{"without algorithm", good, []string{"v=DKIM1; " + p}, "valid"},
		{"final semicolon", good, []string{plain + " ; "}, "valid"},
		{"folded", good, []string{"k=rsa;\t" + p[:50] + " \r\n " + p[50:]}, "valid"},
		{"RSAPublicKey", good, []string{"p=" + pkcs1}, "valid"},
		{"test mode", good, []string{"t=y; " + p}, "valid"},
		{"services", good, []string{"s=tlsrpt:email; " + p}, "valid"},
		{"any service", good, []string{"s=*; " + p}, "valid"},
		{"other service", good, []string{"s=tlsrpt; " + p}, "key is not for mail, or not for SHA-256"},
		{"hashes", good, []string{"h=sha1:sha256; " + p}, "valid"},
		{"other hash", good, []string{"h=sha1; " + p}, "key is not for mail, or not for SHA-256"},
		{"exact", good, []string{"t=y:s; " + p}, "valid"},
		{"exact, below", below, []string{"t=s; " + p}, "key is not for identities below its domain"},
		{"below", below, []string{p}, "valid"},
		{"none", good, nil, "pending"},
		{"another record, too", good, []string{"v=spf1 ~all", plain}, "valid"},
		{"two", good, []string{record(keys()["other"]), plain}, "valid"},
		{"two algorithms", good, []string{record(keys()["ed25519"]), plain}, "valid"},
		{"three", good, []string{record(keys()["other"]), record(keys()["ed25519"]), plain}, "valid"},
		{"four", good, []string{record(keys()["other"]), record(keys()["ed25519"]), record(keys()["other"]), plain}, "header was changed, or the key is another one"},
		{"many other records", good, append(slices.Repeat([]string{"x"}, 16), plain), "malformed key"},
		{"quoted", good, []string{`"` + plain + `"`}, "valid"},
		{"quoted halves", good, []string{plain[:99] + `" "` + plain[99:]}, "valid"},
		{"quoted halves and ends", good, []string{`"` + plain[:8] + "\"\t\"" + plain[8:99] + `" "` + plain[99:] + `"`}, "valid"},
		{"quoted in the middle of a word", good, []string{plain[:4] + `" "` + plain[4:]}, "valid"},
		{"quotes alone", good, []string{`""`}, "malformed key"},
		{"revoked", good, []string{"v=DKIM1; k=rsa; p="}, "key was revoked"},
		{"no p", good, []string{"v=DKIM1; k=rsa"}, "malformed key"},
		{"empty", good, []string{""}, "malformed key"},
		{"another record", good, []string{"v=spf1 ~all"}, "malformed key"},
		{"version", good, []string{"v=DKIM2; " + p}, "malformed key"},
		{"version in lower case", good, []string{"v=dkim1; " + p}, "malformed key"},
		{"version last", good, []string{p + "; v=DKIM1"}, "malformed key"},
		{"tag twice", good, []string{p + "; " + p}, "malformed key"},
		{"algorithm unknown", good, []string{"k=dsa; " + p}, "key is of another algorithm"},
		{"no base64", good, []string{"p=!"}, "malformed key"},
		{"no key", good, []string{"p=AAAA"}, "malformed key"},
		{"ed25519 of wrong size", good, []string{"k=ed25519; p=AAAA"}, "malformed key"},
		{"ed25519 for RSA", good, []string{record(keys()["ed25519"])}, "key is of another algorithm"},
		{"ed25519 said to be RSA", good, []string{"k=ed25519; " + p}, "malformed key"},
	} {
		z := newZone()
		z.texts["rsa._domainkey.alice.test"] = tt.records
		if got := why(verify(newVerifier(z.lookup, time.Now), tt.text, 100)); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

// TestKeySizes holds the least size to the bit: some count bytes.
func TestKeySizes(t *testing.T) {
	t.Setenv("GODEBUG", "rsa1024min=0")
	for bits, want := range map[int]string{
		512: "RSA key is too short or too long", 1023: "RSA key is too short or too long", 1024: "valid", 4096: "valid",
	} {
		k, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			t.Fatal(err)
		}
		text := signed(t, message, "rsa", func(o *msgauth.SignOptions) { o.Signer = k })
		z := newZone()
		z.texts["rsa._domainkey.alice.test"] = []string{record(k)}
		if got := why(verify(newVerifier(z.lookup, time.Now), text, 100)); got != want {
			t.Errorf("%d bits: got %q, want %q", bits, got, want)
		}
	}
}
