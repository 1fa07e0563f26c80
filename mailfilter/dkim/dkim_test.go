package dkim_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	msgauth "github.com/emersion/go-msgauth/dkim"
)

// edit replaces what must be there.
func edit(t testing.TB, s, old, new string) string {
	t.Helper()
	if !strings.Contains(s, old) {
		t.Fatalf("%q is not in the message", old)
	}
	return strings.Replace(s, old, new, 1)
}

// TestForms signs in every way that counts. The body comes byte by byte, too.
func TestForms(t *testing.T) {
	v := newVerifier(newZone().lookup, time.Now)
	bodies := []string{"", "\r\n", "\r\n\r\n", "x", "x\r\n", " ", " \r\n", "a \r\n\t\r\n \tb  c\r\n \r\n", strings.Repeat("\r\n", 5000) + "x y\r\n",
		strings.Repeat("x y", 5000) + "\r\n", "a\r\n\r\n", "a \r\nb\r\n"}
	header, body := cut(message)
	for _, b := range append(bodies, body) {
		for _, selector := range []string{"rsa", "ed25519"} {
			for _, hc := range []msgauth.Canonicalization{"simple", "relaxed"} {
				for _, bc := range []msgauth.Canonicalization{"simple", "relaxed"} {
					text := signed(t, header+b, selector, func(o *msgauth.SignOptions) {
						o.HeaderCanonicalization, o.BodyCanonicalization = hc, bc
					})
					for _, piece := range []int{1, 3, 1 << 20} {
						if got := why(verify(v, text, piece)); got != "valid" {
							t.Errorf("body %.20q, %s, %s/%s, pieces of %d: %s", b, selector, hc, bc, piece, got)
						}
					}
				}
			}
		}
	}
}

func TestVerdicts(t *testing.T) {
	now := time.Now()
	good := signed(t, message, "rsa", nil)
	with := func(change func(*msgauth.SignOptions)) string { return signed(t, message, "rsa", change) }
	mallory := func(o *msgauth.SignOptions) { o.Domain = "mallory.test" }
	tests := []struct{ name, text, want string }{
		{"good", good, "valid"},
		{"none", message, "unsigned"},
		{"other domain", with(mallory), "no signature is of the author's domain"},
		{"subdomain", with(func(o *msgauth.SignOptions) { o.Domain = "sub.alice.test" }), "no signature is of the author's domain"},
		{"parent", with(func(o *msgauth.SignOptions) { o.Domain = "test" }), "no signature is of the author's domain"},
		{"identity below", with(func(o *msgauth.SignOptions) { o.Identifier = "a@x.alice.test" }), "valid"},
		{"identity elsewhere", with(func(o *msgauth.SignOptions) { o.Identifier = "a@alice.test.org" }), "identity (i=) is not of the signing domain"},
		{"other domain first", field(with(mallory)) + good, "valid"},
		{"other domain last", edit(t, good, "From: ", field(with(mallory))+"From: "), "valid"},
		{"wrong one first", edit(t, field(good), " b=", " b=AAAA") + good, "valid"},
		{"wrong one last", edit(t, good, "From: ", edit(t, field(good), "bh=", "bh=AAAA")+"From: "), "valid"},
		{"two algorithms", field(signed(t, message, "ed25519", nil)) + good, "valid"},
		{"body changed", edit(t, good, "Hello", "Hallo"), "body was changed"},
		{"body appended", good + "x\r\n", "body was changed"},
		{"empty lines appended", good + "\r\n\r\n", "valid"},
		{"header changed", edit(t, good, "Subject: [...]", "Subject: [..]"), "header was changed, or the key is another one"},
		{"header refolded", edit(t, good, ";\r\n\tcharset", "; charset"), "valid"},
		{"header refolded, simple", edit(t, with(func(o *msgauth.SignOptions) { o.HeaderCanonicalization = "simple" }), ";\r\n\tcharset", "; charset"),
			"header was changed, or the key is another one"},
		{"second From below", edit(t, good, "To: ", "From: <eve@eve.test>\r\nTo: "), "not exactly one From field"},
		{"second From on top", "From: <eve@eve.test>\r\n" + good, "not exactly one From field"},
		{"no From", edit(t, good, "From: ", "X-From: "), "not exactly one From field"},
		{"wrong key", with(func(o *msgauth.SignOptions) { o.Signer = keys()["other"] }), "header was changed, or the key is another one"},
		{"wrong type of key", with(func(o *msgauth.SignOptions) { o.Selector = "ed25519" }), "key is of another algorithm"},
		{"no such key", with(func(o *msgauth.SignOptions) { o.Selector = "nobody" }), "the domain has no such key"},
		{"expired", with(func(o *msgauth.SignOptions) { o.Expiration = now.Add(-time.Second) }), "signature has expired"},
		{"not yet expired", with(func(o *msgauth.SignOptions) { o.Expiration = now.Add(time.Minute) }), "valid"},
	}
	tests = append(tests, tagTests(t, good)...)
	v := newVerifier(newZone().lookup, func() time.Time { return now })
	for _, tt := range tests {
		if got := why(verify(v, tt.text, 100)); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

// tagTests change tags of a signature. Those that count are found before the
// signature, which the change broke too.
func tagTests(t *testing.T, good string) []struct{ name, text, want string } {
	const broken = "header was changed, or the key is another one"
	var tests []struct{ name, text, want string }
	for _, tt := range []struct{ name, old, new, want string }{
		{"unknown tag", " b=", " xy=z; b=", broken},
		{"l=", " b=", " l=10; b=", "signature covers a part of the body only (l=)"},
		{"sha1", "rsa-sha256", "rsa-sha1", "algorithm is neither rsa-sha256 nor ed25519-sha256"},
		{"no algorithm", "a=", "aa=", "algorithm is neither rsa-sha256 nor ed25519-sha256"},
		{"algorithm in capitals", "a=rsa-sha256", "a=RSA-SHA256", "algorithm is neither rsa-sha256 nor ed25519-sha256"},
		{"version 2", "v=1", "v=2", "unknown version"},
		{"no version", "v=1;", "", "unknown version"},
		{"tag twice", " b=", " a=rsa-sha256; b=", "malformed tags"},
		{"no value", " b=", " zz; b=", "malformed tags"},
		{"empty tag", " b=", " ; b=", "malformed tags"},
		{"not ASCII", " b=", " z=\u00fc; b=", "malformed tags"},
		{"domain in capitals", "d=alice.test", "d=Alice.TEST", broken},
		{"domain with a dot", "d=alice.test", "d=alice.test.", "no signature is of the author's domain"},
		{"domain with a space", "d=alice.test", "d=alice .test", "no signature is of the author's domain"},
		{"no From in h=", "h=From:", "h=", "signature does not cover From"},
		{"nothing in h=", "h=From:To:Subject:Message-ID", "h=", "malformed tags"},
		{"oversigned", "h=From:", "h=From:from:", broken},
		{"too much in h=", "h=From:", "h=From" + strings.Repeat(":x", 300) + ":", "signature names too many fields"},
		{"canonicalization", "c=relaxed/simple", "c=relaxed/nofws", "unknown canonicalization"},
		{"canonicalization, no body", "c=relaxed/simple", "c=relaxed/", "unknown canonicalization"},
		{"canonicalization, header alone", "c=relaxed/simple", "c=relaxed", broken},
		{"no canonicalization", "c=relaxed/simple;", "", broken},
		{"query", " b=", " q=http/x; b=", "unknown query method"},
		{"queries", " b=", " q=http/x:dns/txt; b=", broken},
		{"selector with a slash", "s=rsa", "s=rsa/x", "malformed selector or domain"},
		{"selector with empty label", "s=rsa", "s=rsa..x", "malformed selector or domain"},
		{"no selector", "s=rsa", "s=", "malformed selector or domain"},
		{"long selector", "s=rsa", "s=rsa" + strings.Repeat(".x", 120), "malformed selector or domain"},
		{"time with a sign", " t=", " t=-", "malformed time"},
		{"endless time", " t=", " t=99999999999", "malformed time"},
		{"expired long ago", " b=", " x=5; b=", "signature has expired"},
		{"short body hash", "bh=", "bh=AAAA", "malformed body hash"},
		{"body hash is no base64", "bh=", "bh=!", "malformed body hash"},
		{"no body hash", "bh=", "bx=", "malformed body hash"},
		{"signature is no base64", " b=", " b=!", "malformed signature"},
		{"no signature", " b=", " bb=", "malformed signature"},
		{"another signature", " b=", " b=AAAA", broken},
	} {
		tests = append(tests, struct{ name, text, want string }{tt.name, edit(t, good, tt.old, tt.new), tt.want})
	}
	return tests
}

func TestClock(t *testing.T) {
	signedAt := time.Now()
	good := signed(t, message, "rsa", func(o *msgauth.SignOptions) { o.Expiration = signedAt.Add(time.Hour) })
	for _, tt := range []struct {
		now  time.Duration
		want string
	}{
		{0, "valid"},
		{-4 * time.Minute, "valid"},
		{-6 * time.Minute, "signature was made in the future"},
		{59 * time.Minute, "valid"},
		{time.Hour, "signature has expired"},
	} {
		v := newVerifier(newZone().lookup, func() time.Time { return signedAt.Add(tt.now) })
		if got := why(verify(v, good, 100)); got != tt.want {
			t.Errorf("%v after signing: got %q, want %q", tt.now, got, tt.want)
		}
	}
}

// TestLookups holds who is asked for what, and what a failure means.
func TestLookups(t *testing.T) {
	const dontCare = -1
	good := signed(t, message, "rsa", nil)
	bad := signed(t, message, "other", nil)
	now := time.Now()
	z := newZone()
	v := newVerifier(z.lookup, func() time.Time { return now })
	step := func(what, text, want string, asked int) {
		t.Helper()
		before := z.count()
		got := why(verify(v, text, 100))
		if n := z.count() - before; got != want || asked >= 0 && n != asked {
			t.Errorf("%s: got %q after %d look-ups, want %q after %d", what, got, n, want, asked)
		}
	}
	step("the first", good, "valid", 1)
	step("the second", good, "valid", 0)
	z.err = errors.New("no answer")
	step("a failing DNS, key known", good, "valid", 0)
	step("a failing DNS, key unknown", bad, "unknown", 1)
	step("a failing DNS, a moment later", bad, "unknown", 0)
	step("a failing DNS, one of two known", field(bad)+good, "valid", 0)
	step("other domains", signed(t, message, "rsa", func(o *msgauth.SignOptions) { o.Domain = "mallory.test" }),
		"no signature is of the author's domain", 0)
	now = now.Add(time.Minute)
	step("the key's time is up", good, "unknown", 1)
	now = now.Add(time.Minute)
	z.err, z.ttl = nil, 100*time.Hour
	step("the DNS is back", good, "valid", 1)
	now = now.Add(time.Hour)
	step("no key is kept for long", good, "valid", 1)
	z.ttl = 0
	now = now.Add(time.Hour)
	step("a key not to be kept", good, "valid", 1)
	step("a key not to be kept, again", good, "valid", 1)
	z.texts, z.ttl = nil, time.Hour
	step("a key that was removed, at the domain's servers, too", good, "the domain has no such key", 2)
	step("failures are not kept", good, "the domain has no such key", 1)
	z.err = errors.New("no answer")
	step("a failing DNS, body changed", edit(t, good, "Hello", "Hallo"), "body was changed", dontCare)
}

// TestBounds holds how many signatures are looked at.
func TestBounds(t *testing.T) {
	z := newZone()
	v := newVerifier(z.lookup, time.Now)
	good := signed(t, message, "rsa", nil)
	other := signed(t, message, "other", nil)
	other = edit(t, field(other), " b=", " b=AAAA")
	if got := why(verify(v, strings.Repeat(other, 100)+good, 100)); got != "header was changed, or the key is another one" || z.count() > 4 {
		t.Errorf("after 100 wrong ones: %s, %d look-ups", got, z.count())
	}
	if got := why(verify(v, strings.Repeat("DKIM-Signature: d=x\r\n", 32)+good, 100)); got != "no signature is of the author's domain" {
		t.Errorf("after 32 of others: %s", got)
	}
	if got := why(verify(v, strings.Repeat("DKIM-Signature: d=x\r\n", 31)+good, 100)); got != "valid" {
		t.Errorf("after 31 of others: %s", got)
	}
}
