package remote

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"chatmaild/testdata/kit/monologue"
)

func TestSMTP(t *testing.T) {
	conn := monologue.Says("220-chat.test\r\n220 hello\r\n" +
		"250-chat.test\r\n250-SIZE 1000\r\n250-starttls\r\n250 AUTH PLAIN LOGIN\r\n" +
		"235 welcome\r\n250 ok\r\n250 ok\r\n354 go\r\n250 2.0.0 queued\r\n250 ok\r\n550-no\r\n550 never\r\n")
	d, err := NewSMTP(conn)
	if err != nil || d.Greeting.String() != "220 chat.test hello" {
		t.Fatalf("greeting: %v, %v", d, err)
	}
	extensions, err := d.Hello()
	if want := map[string]string{"SIZE": "1000", "STARTTLS": "", "AUTH": "PLAIN LOGIN"}; err != nil || !maps.Equal(extensions, want) {
		t.Errorf("extensions: got %v, %v", extensions, err)
	}
	if reply, err := d.Login(Account{"a@chat.test", "secret"}); err != nil || reply.Code != 235 {
		t.Errorf("login: %v, %v", reply, err)
	}
	if reply, err := d.Send("a@chat.test", "b@chat.test", "one\n.two\r\n"); err != nil || reply.String() != "250 2.0.0 queued" {
		t.Errorf("sending: %v, %v", reply, err)
	}
	if reply, err := d.Send("a@chat.test", "b@chat.test", "one"); err != nil || !reply.Refused() || reply.Text != "no never" {
		t.Errorf("sending to one who is refused: %v, %v", reply, err)
	}
	want := "EHLO outside.invalid\r\nAUTH PLAIN AGFAY2hhdC50ZXN0AHNlY3JldA==\r\n" +
		"MAIL FROM:<a@chat.test>\r\nRCPT TO:<b@chat.test>\r\nDATA\r\none\r\n..two\r\n.\r\n" +
		"MAIL FROM:<a@chat.test>\r\nRCPT TO:<b@chat.test>\r\n"
	if got := conn.Heard.String(); got != want {
		t.Errorf("the server heard\n%q, want\n%q", got, want)
	}
}

func TestIsOurs(t *testing.T) {
	for address, want := range map[string]bool{
		"a@chat.test":                          true,
		"a.b-c_1+x@chat.test":                  true,
		strings.Repeat("a", 64) + "@chat.test": true,
		strings.Repeat("a", 65) + "@chat.test": false,
		"@chat.test":                           false,
		"a":                                    false,
		"a@elsewhere.test":                     false,
		"a@sub.chat.test":                      false,
		"a@b@chat.test":                        false,
		"a>\r\nRCPT TO:<b@chat.test":           false,
		"a b@chat.test":                        false,
		"ä@chat.test":                          false,
	} {
		if got := isAddress(address, "chat.test"); got != want {
			t.Errorf("%.20q: got %t, want %t", address, got, want)
		}
	}
}

// TestWay holds that every machine has a way to itself, and none to an address on a
// link that nobody named (RFC 4007 §6).
func TestWay(t *testing.T) {
	for address, want := range map[string]bool{"127.0.0.1": true, "fe80::1": false} {
		if got := new(Network).HasWay(t.Context(), netip.MustParseAddr(address)); got != want {
			t.Errorf("%s: got %t, want %t", address, got, want)
		}
	}
}

func TestBadSMTP(t *testing.T) {
	for said, want := range map[string]string{
		"":                                "SMTP greeting: EOF",
		"2\r\n":                           `SMTP greeting: "2" is not SMTP`,
		"hello there\r\n":                 `SMTP greeting: "hello there" is not SMTP`,
		"554 go away\r\n":                 "SMTP greeting: 554 go away",
		strings.Repeat("220-x\r\n", 101):  "SMTP greeting: an endless SMTP reply",
		strings.Repeat("220-x", maxLine):  "SMTP greeting: a line of more than 16384 bytes",
		"220-one\r\n220-two\r\n220-three": "SMTP greeting: EOF",
	} {
		if _, err := NewSMTP(monologue.Says(said)); err == nil || err.Error() != want {
			t.Errorf("%.40q: got %v, want %s", said, err, want)
		}
	}
}

func TestRelay(t *testing.T) {
	for host, want := range map[string]string{
		"chat.example.org":  "chat.example.org false",
		"_chat.example.org": "_chat.example.org true",
		"192.0.2.7":         "[192.0.2.7] true",
	} {
		r := &Relay{Domain: host, Host: host}
		if got := fmt.Sprint(r.MailDomain(), " ", r.SelfSigned()); got != want {
			t.Errorf("%s: got %s, want %s", host, got, want)
		}
		if c := r.TLSConfig(IMAPByALPN); c.InsecureSkipVerify != r.SelfSigned() || !slices.Equal(c.NextProtos, []string{"imap"}) {
			t.Errorf("%s: TLS %v, %q", host, c.InsecureSkipVerify, c.NextProtos)
		}
	}
}

// TestTether holds that nobody waits for a silent server longer than was asked.
func TestTether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer far.Close()
		r := &Relay{Domain: "chat.test", Host: "chat.test", Network: Network{
			Dial: func(context.Context, string, string) (net.Conn, error) { return near, nil },
		}}
		ctx, cancel := context.WithTimeout(t.Context(), 7*time.Second)
		defer cancel()
		start := time.Now()
		if _, err := r.Greet(ctx, FromRelays); err == nil {
			t.Error("a silent server has greeted")
		}
		if took := time.Since(start); took != 7*time.Second {
			t.Errorf("gave up after %v", took)
		}
	})
}

func FuzzSMTP(f *testing.F) {
	f.Add("220 hi\r\n250-a\r\n250 SIZE 3\r\n235 in\r\n")
	f.Add("220-hi\r\n220 hi\r\n250\r\n")
	f.Fuzz(func(t *testing.T, said string) {
		d, err := NewSMTP(monologue.Says(said))
		if err != nil {
			return
		}
		if d.Greeting.Code != 220 {
			t.Errorf("greeting %v", d.Greeting)
		}
		if _, err := d.Hello(); err == nil {
			d.Login(Account{})
		}
	})
}
