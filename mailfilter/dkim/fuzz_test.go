package dkim_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	msgauth "github.com/emersion/go-msgauth/dkim"
)

var quotes = regexp.MustCompile(`"[ \t\r\n]*"|"`)

// oracle is whether go-msgauth finds a valid signature of the author's domain.
func oracle(t *testing.T, text string, z *zone) bool {
	t.Helper()
	list, err := msgauth.VerifyWithOptions(strings.NewReader(text), &msgauth.VerifyOptions{
		LookupTXT: func(name string) ([]string, error) {
			var texts []string
			for _, text := range z.texts[name] {
				// We read a record that was quoted twice, which is none to it.
				texts = append(texts, quotes.ReplaceAllString(text, ""))
			}
			return texts, nil
		},
	})
	if err != nil {
		return false
	}
	for _, v := range list {
		if v.Err == nil && strings.EqualFold(v.Domain, author) {
			return true
		}
	}
	return false
}

// FuzzSignature changes signed messages. What we take, the other implementation
// takes; and never one whose From was changed.
func FuzzSignature(f *testing.F) {
	good := signed(f, message, "rsa", nil)
	f.Add(uint16(0), uint16(0), "")
	f.Add(uint16(20), uint16(3), " x=1;")
	f.Add(uint16(0), uint16(0), "DKIM-Signature: v=1; d=alice.test; a=rsa-sha256; h=from; s=rsa; b=AA==; bh=AA==\r\n")
	f.Add(uint16(len(good)), uint16(0), "\r\n\r\n")
	f.Add(uint16(strings.Index(good, " b=")), uint16(0), " l=3;")
	z := newZone()
	f.Fuzz(func(t *testing.T, at, drop uint16, insert string) {
		i := int(at) % (len(good) + 1)
		text := paired(good[:i] + insert + good[min(i+int(drop), len(good)):])
		err := verify(newVerifier(z.lookup, time.Now), text, 7)
		if err != nil {
			_ = err.Error()
			return
		}
		header, _ := cut(text)
		if strings.Count("\r\n"+header, "\r\nFrom: Alice <a@alice.test>\r\n") != 1 && !strings.Contains(strings.ToLower(header), "\r\nfrom:") {
			t.Errorf("valid, but the From is another one:\n%s", header)
		}
		if !oracle(t, text, z) {
			t.Errorf("valid, but not for go-msgauth:\n%s", text)
		}
	})
}

// FuzzKey changes the key's record.
func FuzzKey(f *testing.F) {
	for _, k := range []string{"rsa", "ed25519"} {
		f.Add(record(keys()[k]), k)
	}
	f.Add("v=DKIM1; k=rsa; t=y:s; h=sha256; s=email; p=", "rsa")
	z := newZone()
	texts := map[string]string{}
	for k := range keys() {
		texts[k] = signed(f, message, k, nil)
	}
	f.Fuzz(func(t *testing.T, text, selector string) {
		if texts[selector] == "" {
			return
		}
		z.texts[selector+"._domainkey.alice.test"] = []string{text}
		if verify(newVerifier(z.lookup, time.Now), texts[selector], 100) == nil && !oracle(t, texts[selector], z) {
			t.Errorf("the key %q counts, but not for go-msgauth", text)
		}
	})
}

// paired has CR and LF together, as nothing else comes this far.
func paired(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, "\r", ""), "\n", "\r\n")
}

// FuzzBody signs any body with go-msgauth: it verifies, in pieces of any size.
func FuzzBody(f *testing.F) {
	_, body := cut(message)
	for _, s := range []string{"", body, " \r\n\t", "\r\n\r\n", "a  b \r\n \r\n"} {
		f.Add(s, uint8(3))
	}
	header, _ := cut(message)
	v := newVerifier(newZone().lookup, time.Now)
	f.Fuzz(func(t *testing.T, body string, piece uint8) {
		body = paired(body)
		for _, form := range []msgauth.Canonicalization{"simple", "relaxed"} {
			text := signed(t, header+body, "ed25519", func(o *msgauth.SignOptions) { o.BodyCanonicalization = form })
			if err := verify(v, text, int(piece)+1); err != nil {
				t.Errorf("%s, pieces of %d: %v", form, int(piece)+1, err)
			}
		}
	})
}
