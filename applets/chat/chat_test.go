package chat

import (
	"bufio"
	"bytes"
	"errors"
	"net/mail"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/s2k"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"github.com/emersion/go-message"

	"chatmaild/mailfilter"
	"chatmaild/mailfilter/mailtest"
)

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func self(t testing.TB, addr string) *Self {
	t.Helper()
	key, err := GenerateKey(addr, now.Add(-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	return &Self{Addr: addr, Name: "Zoë", Key: key}
}

// messages are what one can write to another.
func messages() map[string]*Message {
	grouped := &Message{Date: now, To: []mail.Address{{Name: "Bob", Address: "bob@[192.0.2.1]"}, {Address: "carol@[ipv6:2001:db8::1]"}}, Text: "to all"}
	grouped.Set(fieldGroupID, "abcDEF123")
	grouped.Set("Chat-Group-Name", "Überraschung für "+strings.Repeat("viele ", 30))
	grouped.SetAutomatic()
	return map[string]*Message{
		"text":    {Date: now, Subject: "über", Text: "hello\n\n--\n-- \n>> wörld\n.\n" + strings.Repeat("long ", 300) + "."},
		"empty":   {Date: now},
		"quoting": {Date: now, Text: "> not a quote", InReplyTo: "x@localhost"},
		"quote":   {Date: now, Quote: "what\nis this", Text: "nothing"},
		"files": {Date: now, Text: "see", Files: []File{
			{Name: "ünï \"x\".bin", Type: "application/octet-stream", Data: bytes.Repeat([]byte{0, 255, '\r', '\n'}, 1000)},
			{Name: "empty.txt", Type: "text/plain", Data: []byte{}},
		}},
		"receipt": {Date: now, ReceiptFor: "abc@localhost"},
		"group":   grouped,
	}
}

func TestMessages(t *testing.T) {
	alice, bob, eve := self(t, "alice@one.example"), self(t, "bob@[192.0.2.1]"), self(t, "eve@one.example")
	for name, sent := range messages() {
		t.Run(name, func(t *testing.T) {
			want := *sent
			raw, err := alice.Encrypt(sent, []*Cert{bob.Key.Cert()})
			if err != nil {
				t.Fatal(err)
			}
			got, err := bob.Open(raw, nil, nil)
			if err != nil {
				t.Fatalf("%v\n%s", err, raw)
			}
			if !got.Encrypted || !got.Signed || got.Sender.Fingerprint() != alice.Key.Cert().Fingerprint() {
				t.Errorf("got encrypted %v, signed %v", got.Encrypted, got.Signed)
			}
			if got.Text != want.Text && name != "receipt" || got.Quote != want.Quote || got.Subject != want.Subject ||
				got.InReplyTo != want.InReplyTo || got.ReceiptFor != want.ReceiptFor || got.ID != sent.ID || !got.Date.Equal(now) {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
			if len(got.Files)+len(want.Files) > 0 && !reflect.DeepEqual(got.Files, want.Files) {
				t.Errorf("got files %q, want %q", got.Files, want.Files)
			}
			if len(got.To)+len(want.To) > 0 && !reflect.DeepEqual(got.To, want.To) {
				t.Errorf("got to %q, want %q", got.To, want.To)
			}
			for field, values := range want.Header {
				if !reflect.DeepEqual(got.Header[field], values) {
					t.Errorf("%s: got %q, want %q", field, got.Header[field], values)
				}
			}
			if _, err := eve.Open(raw, nil, nil); err != errNotForUs {
				t.Errorf("to another: got %v, want %v", err, errNotForUs)
			}
			outside(t, raw)
		})
	}
}

// outside holds that nothing but what must be is readable, and that the relay's
// filters see an encrypted message.
func outside(t *testing.T, raw []byte) {
	t.Helper()
	head, _, _ := bytes.Cut(raw, []byte("\r\n\r\n"))
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	for name := range m.Header {
		switch name {
		case "From", "Date", "Message-Id", "Subject", "To", "Mime-Version", "Content-Type", "Chat-Version":
		default:
			t.Errorf("%s is readable outside", name)
		}
	}
	if got, want := m.Header.Get("From"), "<alice@one.example>"; got != want {
		t.Errorf("From: got %q, want %q", got, want)
	}
	if got, want := m.Header.Get("Subject"), "[...]"; got != want {
		t.Errorf("Subject: got %q, want %q", got, want)
	}
	when, err := m.Header.Date()
	if age := now.Sub(when); err != nil || age < 0 || age > maxBackdate {
		t.Errorf("Date: got %v, %v before, %v", when, age, err)
	}
	for line := range bytes.SplitSeq(head, []byte("\n")) {
		if len(line) > 78 && !bytes.Contains(line, []byte("boundary")) {
			t.Errorf("a line of %d bytes outside: %s", len(line), line)
		}
	}
	if err := pass("alice@one.example", raw); err != nil {
		t.Errorf("a relay's filter: %v\n%s", err, raw)
	}
}

// pass asks a relay's filter for mail of its own users.
func pass(from string, raw []byte) error {
	policy, err := mailfilter.NewOutgoing(mailfilter.OutgoingOptions{Domains: []string{"one.example"}})
	if err != nil {
		return err
	}
	r := bufio.NewReader(bytes.NewReader(raw))
	h, err := mailfilter.ReadHeader(r)
	if err != nil {
		return err
	}
	check, err := policy.Check(mailfilter.Envelope{Sender: from, Recipients: []string{"bob@one.example"}}, h)
	if err != nil {
		return err
	}
	return check.Body(r)
}

func TestSignatures(t *testing.T) {
	alice, bob, carol := self(t, "alice@one.example"), self(t, "bob@one.example"), self(t, "carol@one.example")
	to := []*Cert{bob.Key.Cert()}
	forged := &Self{Addr: alice.Addr, Key: carol.Key}
	open := func(raw []byte, known *Cert) *Message {
		t.Helper()
		m, err := bob.Open(raw, nil, func(fingerprint string) *Cert {
			if known != nil && known.Fingerprint() == fingerprint {
				return known
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	seal := func(s *Self, m *Message, l *lock, withKey bool) []byte {
		t.Helper()
		raw, err := s.encrypt(m, l, withKey)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	message := func() *Message { return &Message{Date: now, Text: "x"} }

	if m := open(seal(forged, message(), &lock{certs: to, signer: carol.Key}, true), nil); m.Sender.Fingerprint() != carol.Key.Cert().Fingerprint() {
		t.Error("a message with Carol's key is not seen as Carol's")
	}
	if m := open(seal(alice, message(), &lock{certs: to, signer: carol.Key}, true), nil); m.Signed {
		t.Error("a message with Alice's key and Carol's signature counts as signed")
	}
	if m := open(seal(alice, message(), &lock{certs: to}, true), nil); m.Signed {
		t.Error("a message without signature counts as signed")
	}
	if m := open(seal(alice, message(), &lock{certs: to, signer: alice.Key}, false), alice.Key.Cert()); !m.Signed {
		t.Error("a message without key is not verified by the key that is known")
	}
	if m := open(seal(alice, message(), &lock{certs: to, signer: alice.Key}, false), nil); m.Signed || m.Sender != nil {
		t.Error("a message of an unknown key counts as signed")
	}
}

func TestDamage(t *testing.T) {
	alice, bob := self(t, "alice@one.example"), self(t, "bob@one.example")
	text := strings.TrimSpace(strings.Repeat("x ", 500))
	raw, err := alice.Encrypt(&Message{Date: now, Text: text}, []*Cert{bob.Key.Cert()})
	if err != nil {
		t.Fatal(err)
	}
	begin := bytes.Index(raw, []byte("-----BEGIN")) + 40
	end := bytes.LastIndex(raw, []byte("-----END"))
	for i := begin; i < end; i += 7 {
		damaged := bytes.Clone(raw)
		if damaged[i] == '\r' || damaged[i] == '\n' {
			continue
		}
		damaged[i] ^= 1
		// The copy of the session key for Alice does not concern Bob.
		if m, err := bob.Open(damaged, nil, nil); err == nil && (m.Text != text || !m.Signed) {
			t.Errorf("byte %d changed (%q): got %.9q", i, raw[i], m.Text)
		}
	}
	other := bytes.Replace(raw, []byte("alice@one"), []byte("other@one"), 1)
	if _, err := bob.Open(other, nil, nil); err == nil {
		t.Error("another sender outside than inside was accepted")
	}
}

// TestBomb opens what unpacks to more than it should.
func TestBomb(t *testing.T) {
	alice, bob := self(t, "alice@one.example"), self(t, "bob@one.example")
	raw, err := alice.Encrypt(&Message{Date: now, Text: strings.Repeat("x\n", 100_000)}, []*Cert{bob.Key.Cert()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bob.Open(raw, nil, nil); err != nil {
		t.Error(err)
	}
	bob.MaxText = 50_000
	if m, err := bob.Open(raw, nil, nil); err == nil {
		t.Errorf("%d bytes unpacked to %d", len(raw), len(m.Text))
	}
}

// TestSecrets opens what is encrypted to a secret, and refuses at once what would
// make trying a secret dear.
func TestSecrets(t *testing.T) {
	alice, bob := self(t, "alice@one.example"), self(t, "bob@one.example")
	const secret = "securejoin/ABC/def"
	raw, err := alice.encryptSecret(&Message{Date: now, Text: "x"}, secret, true)
	if err != nil {
		t.Fatal(err)
	}
	if m, err := bob.Open(raw, []string{"other", secret}, nil); err != nil || m.Secret != secret || !m.Signed {
		t.Errorf("got %+v, %v", m, err)
	}
	if _, err := bob.Open(raw, []string{"other"}, nil); err != errNotForUs {
		t.Errorf("without the secret: got %v, want %v", err, errNotForUs)
	}
	for name, derivation := range map[string]*s2k.Config{
		"iterated": {S2KMode: s2k.IteratedSaltedS2K, S2KCount: 65011712},
		"argon2":   {S2KMode: s2k.Argon2S2K, Argon2Config: &s2k.Argon2Config{NumberOfPasses: 1, DegreeOfParallelism: 1, Memory: 1 << 6}},
	} {
		c := config(now)
		c.S2KConfig = derivation
		var b bytes.Buffer
		w, err := armor.Encode(&b, armorType, nil)
		if err != nil {
			t.Fatal(err)
		}
		plain, err := openpgp.SymmetricallyEncrypt(w, []byte(secret), nil, c)
		if err != nil {
			t.Fatal(err)
		}
		_, err = plain.Write([]byte("From: <alice@one.example>\r\n\r\nx"))
		if err := errors.Join(err, plain.Close(), w.Close()); err != nil {
			t.Fatal(err)
		}
		if _, err := bob.unseal(&b, 10_000, []string{secret}); err == nil || err == errNotForUs {
			t.Errorf("%s: got %v, want a refusal", name, err)
		}
	}
}

func TestKeys(t *testing.T) {
	key, err := GenerateKey("a@one.example", now)
	if err != nil {
		t.Fatal(err)
	}
	text, err := key.Armor()
	if err != nil {
		t.Fatal(err)
	}
	again, err := ParseKey(text)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := again.Cert().Fingerprint(), key.Cert().Fingerprint(); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if !bytes.Equal(again.Cert().Bytes(), key.Cert().Bytes()) {
		t.Error("the public part changed")
	}
	cert, err := ParseCert(key.Cert().Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if !cert.readsSEIPD2() {
		t.Error("our key does not say that we read version 2 of encrypted data")
	}
	addr, c, err := parseAutocrypt(autocrypt("a@one.example", cert, false))
	if err != nil || addr != "a@one.example" || c.Fingerprint() != cert.Fingerprint() {
		t.Errorf("Autocrypt: got %s, %v", addr, err)
	}
	for _, bad := range []string{"", "addr=a@b", "addr=a@b; keydata=AAAA", "addr=a@b; x=y; keydata=" + cert.Base64(), "keydata=" + cert.Base64()} {
		if _, _, err := parseAutocrypt(bad); err == nil {
			t.Errorf("parseAutocrypt(%.30q) succeeded", bad)
		}
	}
}

// FuzzOpen reads what the relays' fixtures hold, and what is inside a sealed
// message: that it is sealed for us keeps no stranger out.
func FuzzOpen(f *testing.F) {
	for _, fixture := range mailtest.Fixtures(f) {
		if len(fixture.Message) < 20000 {
			f.Add([]byte(fixture.Message))
		}
	}
	bob := self(f, "bob@one.example")
	for _, m := range messages() {
		bob.prepare(m)
		raw, err := render(bob.protected(m, true), m.body(), nil)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if m, err := bob.Open(raw, []string{"secret"}, nil); err == nil && m.From.Address == "" && m.Encrypted {
			t.Error("an encrypted message without a sender")
		}
		l := &lock{certs: []*Cert{bob.Key.Cert()}, signer: bob.Key}
		sealed, err := l.seal(raw, now)
		if err != nil {
			t.Fatal(err)
		}
		u, err := bob.unseal(bytes.NewReader(sealed), int64(len(sealed)), nil)
		if err != nil || !bytes.Equal(u.plain, raw) {
			t.Fatalf("got %v", err)
		}
	})
}

func BenchmarkEncrypt(b *testing.B) {
	alice, bob := self(b, "alice@one.example"), self(b, "bob@one.example")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := alice.Encrypt(&Message{Date: now, Text: "hello"}, []*Cert{bob.Key.Cert()}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	alice, bob := self(b, "alice@one.example"), self(b, "bob@one.example")
	raw, err := alice.Encrypt(&Message{Date: now, Text: "hello"}, []*Cert{bob.Key.Cert()})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := bob.Open(raw, nil, nil); err != nil {
			b.Fatal(err)
		}
	}
}

// TestLiterals has addresses at the literals of an IPv6 address in one spelling.
func TestLiterals(t *testing.T) {
	for text, want := range map[string]string{
		"<x@[IPv6:2001:DB8::1]>":             "x@[ipv6:2001:db8::1]",
		"Bob <x@[ipv6:2001:db8::1]>":         "x@[ipv6:2001:db8::1]",
		"x@[192.0.2.1]":                      "x@[192.0.2.1]",
		`"@[ipv6:" <x@chat.example>`:         "x@chat.example",
		"a@one.example, x@[IPv6:2001:db8::]": "a@one.example",
	} {
		var h message.Header
		h.Set("To", text)
		got, err := addresses(&h, "To")
		if err != nil || got[0].Address != want || !ValidAddress(got[0].Address) {
			t.Errorf("%s: got %v, %v; want %s", text, got, err, want)
		}
	}
	for _, addr := range []string{"x@a:b", "x@[ipv6:2001:db8::1", "x:y@[ipv6:2001:db8::1]", "x@[ipv6:2001:db8::1]>"} {
		if ValidAddress(addr) {
			t.Errorf("%s is valid", addr)
		}
	}
}
