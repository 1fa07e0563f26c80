package lab

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/emersion/go-msgauth/dkim"
)

// strangersKeys has a domain publish its keys as domains do, not always as they should,
// and not always in time.
func (f *federation) strangersKeys(t *testing.T) {
	const (
		taken   = "250 "
		pending = "451 4.7.5 No valid DKIM signature found: "
		author  = "new@new.example"
	)
	s := f.newSigner(t)
	text := func(key *rsa.PrivateKey) string {
		der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
		if err != nil {
			t.Fatal(err)
		}
		return "v=DKIM1; k=rsa; p=" + base64.StdEncoding.EncodeToString(der)
	}
	one, other := text(s.keys["rsa"]), text(s.keys["eve"])
	publish := func(texts ...string) {
		t.Helper()
		f.lab.Zone.Remove("s._domainkey.new.example", "TXT")
		for _, text := range texts {
			if err := f.lab.Zone.Add("s._domainkey.new.example", "TXT", text); err != nil {
				t.Fatal(err)
			}
		}
	}
	ctx := deadline(t, stepTimeout)
	c := f.outside(ctx, t)
	for _, tt := range []struct {
		name    string
		records []string
		want    string
	}{
		{"not published yet", nil, pending},
		{"published, its text quoted twice", []string{one[:99] + `" "` + one[99:]}, taken},
		{"replaced", []string{other}, "554 5.7.1 No valid DKIM signature found: header was changed, or the key is another one; "},
		{"two under one selector", []string{other, one}, taken},
		{"another record beside it", []string{"v=spf1 -all", one}, taken},
		{"without a version", []string{strings.TrimPrefix(one, "v=DKIM1; ")}, taken},
		{"withdrawn", nil, "554 5.7.1 No valid DKIM signature found: the domain has no such key; publish the TXT record "},
	} {
		publish(tt.records...)
		mail := s.sign(t, encryptedFrom(t, author), func(o *dkim.SignOptions) { o.Domain, o.Selector = "new.example", "s" })
		got, err := c.Send(author, f.bob.Addr, mail)
		if err != nil || !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s: got %q, %v; want %q", tt.name, got, err, tt.want)
		}
		if _, err := c.Command("RSET"); err != nil {
			t.Fatal(err)
		}
	}
}
