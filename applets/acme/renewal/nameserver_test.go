package renewal

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

const tsigKeygen = `key "Chat-ACME" {
	algorithm hmac-sha256;
	secret "c2VjcmV0";
};
`

func TestParseUpdateKey(t *testing.T) {
	key, err := ParseUpdateKey([]byte(tsigKeygen))
	if err != nil || key.Name != "chat-acme." || string(key.Secret) != "secret" {
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
		if err == nil && (len(key.Secret) == 0 || !strings.HasSuffix(key.Name, ".")) {
			t.Errorf("%q is read as %+v", text, key)
		}
	})
}

// TestSign takes a signed message apart, as a server does (RFC 8945 §5.2).
func TestSign(t *testing.T) {
	query := dnsmessage.Message{Header: dnsmessage.Header{ID: 0x1234, OpCode: opUpdate}}
	plain, err := query.Pack()
	if err != nil {
		t.Fatal(err)
	}
	key, err := ParseUpdateKey([]byte(tsigKeygen))
	if err != nil {
		t.Fatal(err)
	}
	signed := key.sign(plain, time.Unix(0x112233445566, 0))
	var got dnsmessage.Message
	if err := got.Unpack(signed); err != nil {
		t.Fatal(err)
	}
	if len(got.Additionals) != 1 || got.Additionals[0].Header.Name.String() != "chat-acme." || got.Additionals[0].Header.Type != typeTSIG {
		t.Fatalf("got %+v, want a TSIG record of chat-acme.", got.Additionals)
	}
	data := got.Additionals[0].Body.(*dnsmessage.UnknownResource).Data
	const algorithm = "\x0bhmac-sha256\x00"
	when := []byte{0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 1, 44}
	want := append([]byte(algorithm), when...)
	want = binary.BigEndian.AppendUint16(want, sha256.Size)
	mac := hmac.New(sha256.New, key.Secret)
	mac.Write(plain)
	mac.Write([]byte("\x09chat-acme\x00\x00\xff\x00\x00\x00\x00" + algorithm + string(when) + "\x00\x00\x00\x00"))
	want = append(mac.Sum(want), 0x12, 0x34, 0, 0, 0, 0)
	if !bytes.Equal(data, want) {
		t.Errorf("got  %x\nwant %x", data, want)
	}
}
