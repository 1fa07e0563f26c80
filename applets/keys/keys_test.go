package keys

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"net"
	"strings"
	"testing"
	"time"
)

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// TestOlderKey holds that a key in the form of acmetool can be certified.
func TestOlderKey(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})
	cert, err := SelfSign("chat.example.org", text, now)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := ParsePair(cert, text)
	if err != nil || !pair.SelfSigned() {
		t.Errorf("got %+v, %v, want a certificate of our own", pair, err)
	}
}

func TestSelfSign(t *testing.T) {
	for _, host := range []string{"_chat.example", "chat.example.org", "192.0.2.7"} {
		key, err := New()
		if err != nil {
			t.Fatal(err)
		}
		cert, err := SelfSign(host, key, now)
		if err != nil {
			t.Fatal(err)
		}
		pair, err := ParsePair(cert, key)
		if err != nil {
			t.Fatalf("%s: %v", host, err)
		}
		tests := []struct {
			host string
			at   time.Time
			want string
		}{
			{host, now, ""},
			{"other.example", now, "it is not for other.example"},
			{host, now.Add(-2 * time.Hour), "it is valid only from"},
			{host, now.Add(selfSignedLifetime + time.Hour), "it expired on"},
		}
		for _, tt := range tests {
			err := pair.Check(tt.host, tt.at)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("%s checked for %s at %v: got %v, want %q", host, tt.host, tt.at, err, tt.want)
			}
		}
		if net.ParseIP(host) == nil {
			if err := pair.Check("mta-sts."+host, now); err != nil {
				t.Errorf("subdomain: %v", err)
			}
		}
	}
}

func TestParsePairRefusesStrangers(t *testing.T) {
	a, err := New()
	if err != nil {
		t.Fatal(err)
	}
	b, err := New()
	if err != nil {
		t.Fatal(err)
	}
	cert, err := SelfSign("_a.example", a, now)
	if err != nil {
		t.Fatal(err)
	}
	for name, pair := range map[string][2][]byte{
		"foreign key": {cert, b}, "no certificate": {nil, a}, "no key": {cert, nil}, "garbage": {[]byte("x"), []byte("y")},
	} {
		if _, err := ParsePair(pair[0], pair[1]); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := SelfSign("_a.example", []byte("garbage"), now); err == nil {
		t.Error("signed with garbage")
	}
}

func TestDKIMRecord(t *testing.T) {
	key, err := NewDKIM()
	if err != nil {
		t.Fatal(err)
	}
	record, err := DKIMRecord(key)
	if err != nil {
		t.Fatal(err)
	}
	text, ok := strings.CutPrefix(record, "v=DKIM1; k=rsa; p=")
	text, rest, _ := strings.Cut(text, ";")
	der, err := base64.StdEncoding.DecodeString(text)
	if !ok || err != nil || rest != " s=email; t=s" {
		t.Fatalf("record %q: %v", record, err)
	}
	if _, err := x509.ParsePKIXPublicKey(der); err != nil {
		t.Error(err)
	}
	again, err := DKIMRecord(key)
	if err != nil || again != record {
		t.Errorf("the same key gives another record: %q, %v", again, err)
	}
	for _, bad := range []string{"", "garbage", "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n"} {
		if _, err := DKIMRecord([]byte(bad)); err == nil {
			t.Errorf("%q: accepted", bad)
		}
	}
}

// TestParse reads the keys that acmetool and others write (SEC 1, PKCS #1),
// and ours. Garbage is an error.
func TestParse(t *testing.T) {
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	sec1, err := x509.MarshalECPrivateKey(ec)
	if err != nil {
		t.Fatal(err)
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ours, err := Encode(ec)
	if err != nil {
		t.Fatal(err)
	}
	for kind, text := range map[string][]byte{
		"SEC 1":  pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: sec1}),
		"PKCS 1": pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(rsaKey)}),
		"PKCS 8": ours,
	} {
		if _, err := Parse(text); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
	for _, bad := range []string{"", "garbage", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"} {
		if _, err := Parse([]byte(bad)); err == nil {
			t.Errorf("%q is read as a key", bad)
		}
	}
}
