package renewal

import (
	"strings"
	"testing"
	"time"

	"github.com/mholt/acmez/v3/acme"
	"github.com/miekg/dns"

	"chatmaild/testdata/kit/nameserver"
)

const tsigKeygen = `key "Chat-ACME" {
	algorithm hmac-sha256;
	secret "c2VjcmV0";
};
`

func TestParseUpdateKey(t *testing.T) {
	key, err := ParseUpdateKey([]byte(tsigKeygen))
	if err != nil || key.Name != "chat-acme." || key.Secret != "c2VjcmV0" {
		t.Errorf("got %+v, %v", key, err)
	}
	for text, want := range map[string]string{
		"":                               "it is not what tsig-keygen writes",
		"secret \"c2VjcmV0\";":           "it is not what tsig-keygen writes",
		"key \"k\" { secret \"!\"; };":   "its secret is not base64",
		"key k { algorithm hmac-md5; };": "its algorithm is hmac-md5, want hmac-sha256",
		"key k { };":                     "it has no secret",
	} {
		if _, err := ParseUpdateKey([]byte(text)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
	}
}

func FuzzParseUpdateKey(f *testing.F) {
	f.Add([]byte(tsigKeygen))
	f.Fuzz(func(t *testing.T, text []byte) {
		key, err := ParseUpdateKey(text)
		if err == nil && (key.Secret == "" || !strings.HasSuffix(key.Name, ".")) {
			t.Errorf("%q is read as %+v", text, key)
		}
	})
}

// TestNameServer adds and removes a challenge's record at a server that verifies who
// asks.
func TestNameServer(t *testing.T) {
	key, err := ParseUpdateKey([]byte(tsigKeygen))
	if err != nil {
		t.Fatal(err)
	}
	zone := nameserver.NewZone()
	if err := zone.AllowUpdates("chat.test", key.Name, []byte("secret")); err != nil {
		t.Fatal(err)
	}
	challenge := acme.Challenge{Identifier: acme.Identifier{Type: "dns", Value: "www.chat.test"}, KeyAuthorization: "a.b"}
	name := challenge.DNS01TXTRecordName()
	s := &NameServer{Address: nameserver.Start(t, zone), Key: key, Now: time.Now}
	if err := s.Present(t.Context(), challenge); err != nil {
		t.Fatal(err)
	}
	records, _ := zone.Lookup(name, dns.TypeTXT)
	if len(records) != 1 || records[0].(*dns.TXT).Txt[0] != challenge.DNS01KeyAuthorization() {
		t.Errorf("after Present: got %v", records)
	}
	if err := s.CleanUp(t.Context(), challenge); err != nil {
		t.Fatal(err)
	}
	if _, exists := zone.Lookup(name, dns.TypeTXT); exists {
		t.Error("the record is there after CleanUp")
	}
	for want, change := range map[string]func(*NameServer, *acme.Challenge){
		"does not know the key": func(s *NameServer, _ *acme.Challenge) { s.Key.Secret = "Z3Vlc3M=" },
		"its clock differs":     func(s *NameServer, _ *acme.Challenge) { s.Now = func() time.Time { return time.Unix(1e9, 0) } },
		"has no zone for":       func(_ *NameServer, c *acme.Challenge) { c.Identifier.Value = "other.test" },
		"refused":               func(s *NameServer, _ *acme.Challenge) { s.Address = "127.0.0.1:1" },
	} {
		s, c := *s, challenge
		change(&s, &c)
		if err := s.Present(t.Context(), c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
