package pseudonym

import (
	"net/netip"
	"strings"
	"testing"
)

func namer() *Namer { return New([]byte("of the day")) }

// TestAppend writes what has to become a pseudonym between marks.
func TestAppend(t *testing.T) {
	for _, line := range []string{
		"nothing to see",
		"<22>Nov 28 22:00:05 postfix/submission/smtpd[523]: connect from unknown[«10.77.0.7»]",
		"disconnect from unknown[«fd77::7»] ehlo=1 starttls=0/1 commands=1/2",
		"4c1: client=unknown[«10.77.0.7»], sasl_method=PLAIN, sasl_username=«alice@relay.test»",
		"4c1: message-id=<«a-b.c@localhost»>",
		"4c1: from=<«alice@relay.test»>, size=2048, nrcpt=1 (queue active)",
		"4c1: from=<>, size=2048, nrcpt=1 (queue active)",
		`4c1: to=<«"odd one"@x.test»>, orig_to=<«root»>, relay=mx.x.test[«192.0.2.1»]:25, delay=0.05, delays=0.01/0/0.01/0.03, dsn=2.0.0, status=sent (250 2.0.0 <«a@x.test»> Saved)`,
		"relay=127.0.0.1[127.0.0.1]:10080, delay=1.5, dsn=4.4.1, status=deferred (connect to ::1[::1]:25: refused)",
		"NOQUEUE: reject: RCPT from unknown[«10.0.0.1»]: 554 5.7.1 <«b@y.test»>: Relay access denied; from=<«a@x.test»> to=<«b@y.test»> proto=ESMTP helo=<«[10.0.0.1]»>",
		"connect to «192.0.2.1»:25: Connection timed out",
		"connect to «fd77:0:0:0:0:0:0:1»:25: refused",
		"imap(17)<«k3Jq2x4B»>: Error: open(/home/vmail/mail/x.test/«alice@x.test»/cur/1.M2) failed",
		"imap-login: Disconnected: rip=«10.0.0.1», lip=«fd77::2», user=<«alice»>",
		"auth: Error: user=«alice», method=PLAIN",
		"imap-login: proxy(«a@x.test»,«10.7.0.2»:143): Started proxying to <«10.7.0.2»> (0.019 secs): method=PLAIN",
		"no signing table match for '«alice@relay.test»'",
		"it is «alice@relay.test».",
		"to «bob@[192.0.2.1]», to «bob@[IPv6:fd77::1]» and [IPv6:«fd77::1»]",
		`2026/11/28 22:00:01 [error] 12#12: *5 client: «10.0.0.1», server: x.test, request: "POST /new?... HTTP/2.0", host: "x.test"`,
		`request: "GET /mail/«alice%40x.test» HTTP/1.1"`,
		"an open <«bracket and alice@x.test",
		"«VERP-alice=x.test@y.test» and from=«alice@x.test»",
		"a mapped «::ffff:10.0.0.1», an end «10.0.0.1».",
		"warning: non-SMTP command from unknown[«10.0.0.1»]: ...",
		"improper command pipelining after DATA from unknown[«fd77::7»]: ...",
		"warning: Illegal address syntax from unknown[«10.0.0.1»] in RCPT command: ...",
		"version 3.0.11, at 22:00:05, AB:CD",
	} {
		n := namer()
		var in, want strings.Builder
		for i, part := range strings.FieldsFunc(line, func(r rune) bool { return r == '«' || r == '»' }) {
			if strings.HasPrefix(line, "«") == (i%2 == 0) && strings.Contains(line, "«") {
				in.WriteString(part)
				want.WriteString(n.Name(part))
				continue
			}
			in.WriteString(strings.NewReplacer("?...", "?t=secret&a=b", ": ...", `: From: Alice\r\nSubject: Hi: Bob`).Replace(part))
			want.WriteString(part)
		}
		text := in.String()
		head, body := "", text
		if strings.HasPrefix(text, "<22>") {
			head, body = text[:4], text[4:]
		}
		if got := head + string(n.Append(nil, body)); strings.TrimSuffix(got, ">") != strings.TrimSuffix(want.String(), ">") {
			t.Errorf("%s\n got %s\nwant %s", text, got, want.String())
		}
	}
}

func TestName(t *testing.T) {
	n := namer()
	for _, same := range [][]string{
		{"alice@relay.test", "Alice@Relay.TEST", "alice%40relay.test"},
		{"10.0.0.1", "[10.0.0.1]", "::ffff:10.0.0.1", "[IPv6:::ffff:a00:1]"},
		{"fd77::1", "[fd77::1]", "FD77:0:0:0:0:0:0:1", "[IPv6:fd77::1]"},
		{"alice"},
	} {
		want := n.Name(same[0])
		for _, name := range same {
			if got := n.Name(name); got != want {
				t.Errorf("%s: got %s, and %s for %s", name, got, want, same[0])
			}
		}
		if other := New([]byte("of another day")).Name(same[0]); other == want {
			t.Errorf("%s: the key makes no difference", same[0])
		}
	}
	for name, kind := range map[string]string{"a@x.test": "addr-", "10.0.0.1": "ip-", "root": "name-"} {
		if got := n.Name(name); !strings.HasPrefix(got, kind) || len(got) != len(kind)+8 {
			t.Errorf("%s: got %s, want %s and 8 letters", name, got, kind)
		}
	}
}

// FuzzAppend holds that nothing is left that could be an address or a client's IP
// address, and that what stands between signs of punctuation is found wherever it stands.
func FuzzAppend(f *testing.F) {
	f.Add("4c1: to=<", "@", ">, relay=mx[1.2.3.4]:25")
	f.Add(`x "a b"`, "'", "' ?q=1 ::1 fd77::1:25: [IPv6:")
	f.Add("a@[", "%40", "] user=")
	f.Fuzz(func(t *testing.T, before, between, after string) {
		n := namer()
		for _, who := range []string{"alice@relay.test", "192.0.2.77", "fd77::abcd"} {
			got := string(n.Append(nil, before+" "+who+" "+between+"["+who+"]"+after))
			if strings.Contains(got, who) {
				t.Errorf("%s is in %q", who, got)
			}
			if hasAt(got) {
				t.Errorf("there is an address in %q", got)
			}
			for _, word := range strings.FieldsFunc(got, func(r rune) bool { return strings.ContainsRune(" \t\n<>()[]{},;\"'=", r) }) {
				if ip, err := netip.ParseAddr(word); err == nil && ip.Zone() == "" && !ip.Unmap().IsLoopback() && !ip.IsUnspecified() {
					t.Errorf("%s is in %q", word, got)
				}
			}
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	const line = "Nov 28 22:00:05 postfix/lmtp[523]: 4c1: to=<alice@relay.test>, relay=relay.test[private/dovecot-lmtp], delay=0.05, delays=0.01/0/0.01/0.03, dsn=2.0.0, status=sent (250 2.0.0 <alice@relay.test> Saved)"
	n := namer()
	var dst []byte
	for b.Loop() {
		dst = n.Append(dst[:0], line)
	}
}
