package nameserver

import (
	"encoding/base64"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// TestUpdate holds that only the key's owner changes the zone.
func TestUpdate(t *testing.T) {
	z := NewZone()
	if err := z.AllowUpdates("chat.test", "key", []byte("secret")); err != nil {
		t.Fatal(err)
	}
	server := Start(t, z)
	for _, tt := range []struct {
		name, zone, key, secret string
		at                      time.Time
		want                    int
		added                   bool
	}{
		{"not signed", "chat.test.", "", "", time.Now(), dns.RcodeNotAuth, false},
		{"another zone", "test.", "key.", "secret", time.Now(), dns.RcodeNotAuth, false},
		{"another secret", "chat.test.", "key.", "guess", time.Now(), dns.RcodeNotAuth, false},
		{"another key", "chat.test.", "other.", "secret", time.Now(), dns.RcodeNotAuth, false},
		{"an old signature", "chat.test.", "key.", "secret", time.Now().Add(-time.Hour), dns.RcodeNotAuth, false},
		{"signed", "chat.test.", "key.", "secret", time.Now(), dns.RcodeSuccess, true},
	} {
		m := new(dns.Msg).SetUpdate(tt.zone)
		m.Insert([]dns.RR{&dns.TXT{Hdr: dns.RR_Header{Name: "added.chat.test.", Rrtype: dns.TypeTXT}, Txt: []string{"text"}}})
		client := dns.Client{Net: "tcp"}
		if tt.key != "" {
			m.SetTsig(tt.key, dns.HmacSHA256, 300, tt.at.Unix())
			client.TsigSecret = map[string]string{tt.key: base64.StdEncoding.EncodeToString([]byte(tt.secret))}
		}
		reply, _, err := client.Exchange(m, server)
		if err != nil || reply.Rcode != tt.want {
			t.Errorf("%s: got %v, %v; want %s", tt.name, reply, err, dns.RcodeToString[tt.want])
		}
		if _, exists := z.Lookup("added.chat.test", dns.TypeTXT); exists != tt.added {
			t.Errorf("%s: the record is there: %v", tt.name, exists)
		}
	}
}
