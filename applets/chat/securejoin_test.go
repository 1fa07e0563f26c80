package chat

import (
	"strings"
	"testing"
)

// join lets bob follow an invite of alice, and returns what each got.
func join(t *testing.T, inviter *Inviter, joiner *Joiner) (steps []string, joined, done bool) {
	t.Helper()
	sealed, err := joiner.Start(now)
	if err != nil {
		t.Fatal(err)
	}
	for range 4 {
		m, err := inviter.Self.Open(sealed.Raw, inviter.Secrets(), nil)
		if err != nil {
			t.Fatal(err)
		}
		steps = append(steps, m.Step())
		if m.From.Name != "" && !m.Encrypted {
			t.Errorf("the name %q is in the clear", m.From.Name)
		}
		answer, ok, err := inviter.Answer(m, now)
		if err != nil {
			t.Fatal(err)
		}
		joined = joined || ok
		if answer == nil {
			return steps, joined, done
		}
		if m, err = joiner.Self.Open(answer.Raw, joiner.Secrets(), nil); err != nil {
			t.Fatal(err)
		}
		steps = append(steps, m.Step())
		if sealed, done, err = joiner.Answer(m, now); err != nil {
			t.Fatal(err)
		}
		if sealed == nil {
			return steps, joined, done
		}
	}
	t.Fatalf("it does not end: %q", steps)
	return nil, false, false
}

func TestSecureJoin(t *testing.T) {
	alice, bob := self(t, "alice@one.example"), self(t, "bob@[192.0.2.7]")
	tests := map[string]struct {
		v2   bool
		want string
	}{
		"version 3": {false, "vc-request-pubkey vc-pubkey vc-request-with-auth vc-contact-confirm"},
		"version 2": {true, "vc-request vc-auth-required vc-request-with-auth vc-contact-confirm"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			inviter := &Inviter{Self: alice, Number: NewToken(), Auth: NewToken()}
			invite, err := ParseInvite(inviter.Invite().Link())
			if err != nil {
				t.Fatal(err)
			}
			joiner := &Joiner{Self: bob, Invite: invite, V2: tt.v2}
			steps, joined, done := join(t, inviter, joiner)
			if got := strings.Join(steps, " "); got != tt.want || !joined || !done {
				t.Errorf("got %s, joined %v, done %v; want %s", got, joined, done, tt.want)
			}
			if joiner.Peer() == nil || joiner.Peer().Fingerprint() != alice.Key.Cert().Fingerprint() {
				t.Error("the joiner has not got the inviter's key")
			}
		})
	}
}

func TestSecureJoinRefuses(t *testing.T) {
	alice, bob, eve := self(t, "alice@one.example"), self(t, "bob@one.example"), self(t, "eve@one.example")
	number, auth := NewToken(), NewToken()
	inviter := &Inviter{Self: alice, Number: number, Auth: auth}
	tests := map[string]func(*Joiner){
		"the number is wrong":      func(j *Joiner) { j.V2 = true; j.Invite.Number = NewToken() },
		"the auth token is wrong":  func(j *Joiner) { j.V2 = true; j.Invite.Auth = NewToken() },
		"the key is another one's": func(j *Joiner) { j.V2 = true; j.Invite.Fingerprint = eve.Key.Cert().Fingerprint() },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			joiner := &Joiner{Self: bob, Invite: inviter.Invite()}
			change(joiner)
			if steps, joined, done := join(t, inviter, joiner); joined || done {
				t.Errorf("got joined %v, done %v after %q", joined, done, steps)
			}
		})
	}

	// Who passes on another's proof does not get in as that other.
	joiner := &Joiner{Self: bob, Invite: inviter.Invite(), inviter: alice.Key.Cert()}
	proof, err := joiner.prove(now)
	if err != nil {
		t.Fatal(err)
	}
	m, err := alice.Open(proof.Raw, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !inviter.proven(m) {
		t.Fatal("a good proof is refused")
	}
	for name, change := range map[string]func(*Message){
		"not signed":      func(m *Message) { m.Signed = false },
		"another's key":   func(m *Message) { m.Sender = eve.Key.Cert() },
		"by the secret":   func(m *Message) { m.Secret = inviter.Secrets()[0] },
		"no gossip":       func(m *Message) { m.Gossip = nil },
		"another's token": func(m *Message) { m.Set(fieldAuth, NewToken()) },
		"no token":        func(m *Message) { m.Header.Del(fieldAuth) },
	} {
		changed := *m
		changed.Header = make(map[string][]string)
		for k, v := range m.Header {
			changed.Header[k] = v
		}
		change(&changed)
		if inviter.proven(&changed) {
			t.Errorf("a proof is taken that is %s", name)
		}
	}
}

// TestRequestPasses holds that the one cleartext message has the form that
// relays let pass.
func TestRequestPasses(t *testing.T) {
	joiner := &Joiner{Self: self(t, "alice@one.example"), V2: true, Invite: &Invite{Addrs: []string{"bob@one.example"}, Number: NewToken()}}
	sealed, err := joiner.Start(now)
	if err != nil {
		t.Fatal(err)
	}
	if err := pass(joiner.Self.Addr, sealed.Raw); err != nil {
		t.Errorf("%v\n%s", err, sealed.Raw)
	}
	if strings.Contains(string(sealed.Raw), joiner.Self.Name) {
		t.Error("a name is in the clear")
	}
}

func TestInviteLinks(t *testing.T) {
	const fp = "0123456789ABCDEF0123456789ABCDEF01234567"
	tests := []struct {
		text string
		want *Invite
	}{
		{"https://i.delta.chat/#" + fp + "&v=3&i=abcdefghijkl&s=ABCDEFGHIJKL&a=echo%40chat.example&n=Echo+bot", &Invite{
			Fingerprint: fp, Addrs: []string{"echo@chat.example"}, Name: "Echo bot", Number: "abcdefghijkl", Auth: "ABCDEFGHIJKL", V3: true,
		}},
		{"OPENPGP4FPR:" + strings.ToLower(fp) + "#a=a%40[192.0.2.1]&r=b@b.example,c%40c.example&i=abcdefghijkl&s=ABCDEFGHIJKL&x=abcdefghijk&g=%C3%9Cs", &Invite{
			Fingerprint: fp, Addrs: []string{"a@[192.0.2.1]", "b@b.example", "c@c.example"}, Number: "abcdefghijkl", Auth: "ABCDEFGHIJKL",
			GroupID: "abcdefghijk", GroupName: "Üs",
		}},
	}
	for _, tt := range tests {
		got, err := ParseInvite(tt.text)
		if err != nil {
			t.Errorf("%s: %v", tt.text, err)
			continue
		}
		if got.Link() != tt.want.Link() {
			t.Errorf("%s:\ngot  %+v\nwant %+v", tt.text, got, tt.want)
		}
	}
	for _, bad := range []string{
		"", "https://example.org/", "https://i.delta.chat/#", "https://i.delta.chat/#" + fp, "OPENPGP4FPR:" + fp + "#a=x&s=ABCDEFGHIJKL",
		"OPENPGP4FPR:" + fp + "#a=a%40b&s=short", "https://i.delta.chat/#" + fp[2:] + "&s=ABCDEFGHIJKL&a=a%40b",
		"https://i.delta.chat/#" + fp + "&s=ABCDEFGHIJKL&a=a%40b&b=channel&x=abcdefghijkl",
	} {
		if got, err := ParseInvite(bad); err == nil {
			t.Errorf("%s: got %+v", bad, got)
		}
	}
}

func FuzzParseInvite(f *testing.F) {
	f.Add("https://i.delta.chat/#0123456789ABCDEF0123456789ABCDEF01234567&v=3&i=abcdefghijkl&s=ABCDEFGHIJKL&a=a%40[192.0.2.1]&r=b@b.example,c%40c.example&n=Echo+bot&x=abcdefghijk&g=%C3%9Cs")
	f.Add("OPENPGP4FPR:0123456789ABCDEF0123456789ABCDEF01234567#a=a%40b.example&s=ABCDEFGHIJKL")
	f.Fuzz(func(t *testing.T, text string) {
		i, err := ParseInvite(text)
		if err != nil {
			return
		}
		again, err := ParseInvite(i.Link())
		if err != nil {
			t.Fatalf("%q: its own link %q: %v", text, i.Link(), err)
		}
		if again.Link() != i.Link() {
			t.Errorf("got %q, want %q", again.Link(), i.Link())
		}
	})
}
