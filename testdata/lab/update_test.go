package lab

import (
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// TestUpdate holds that nobody changes the zone without the key. That the key's
// owner does is shown by TestTakeover.
func TestUpdate(t *testing.T) {
	z := NewZone()
	if err := z.AllowUpdates("chat.test", "key", []byte("secret")); err != nil {
		t.Fatal(err)
	}
	pack := func(zone string, additional ...dnsmessage.Resource) []byte {
		t.Helper()
		top := dnsmessage.MustNewName(zone)
		m := dnsmessage.Message{
			Header:    dnsmessage.Header{ID: 1, OpCode: opUpdate},
			Questions: []dnsmessage.Question{{Name: top, Type: dnsmessage.TypeSOA, Class: dnsmessage.ClassINET}},
			Authorities: []dnsmessage.Resource{{
				Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName("added.chat.test."), Class: dnsmessage.ClassINET},
				Body:   &dnsmessage.TXTResource{TXT: []string{"text"}},
			}},
			Additionals: additional,
		}
		packed, err := m.Pack()
		if err != nil {
			t.Fatal(err)
		}
		return packed
	}
	signature := func(data []byte) dnsmessage.Resource {
		return dnsmessage.Resource{
			Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName("key."), Class: dnsmessage.ClassANY},
			Body:   &dnsmessage.UnknownResource{Type: typeTSIG, Data: data},
		}
	}
	forged := append([]byte("\x0bhmac-sha256\x00\x00\x00\x00\x00\x00\x01\xff\xff\x00\x20"), make([]byte, 32+6)...)
	for _, tt := range []struct {
		name    string
		message []byte
		want    dnsmessage.RCode
	}{
		{"not signed", pack("chat.test."), rcodeNotAuth},
		{"another zone", pack("test."), rcodeNotAuth},
		{"forged", pack("chat.test.", signature(forged)), rcodeNotAuth},
		{"a short signature", pack("chat.test.", signature(forged[:20])), rcodeNotAuth},
		{"no signature at all", pack("chat.test.", signature(nil)), rcodeNotAuth},
		{"cut", pack("chat.test.")[:20], dnsmessage.RCodeFormatError},
	} {
		if got := z.update(tt.message); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
	if _, exists := z.lookup("added.chat.test", dnsmessage.TypeTXT); exists {
		t.Error("the zone was changed")
	}
}
