package lab

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"chatmaild/testdata/lab/core"
	"chatmaild/testdata/lab/peer"
)

// manyTransports is how many relays the core wants a profile to have.
const manyTransports = 3

// transports are relays that share their users.
type transports struct {
	lab        *Lab
	relays     []*Relay
	bob, carol *core.Profile
	pair       pair // Carol and Bob
}

// TestTransports has profiles with an account on each of several relays, as the newest
// clients make them by themselves: every message goes to all, and is shown once.
func TestTransports(t *testing.T) {
	s := &transports{}
	var deb string
	s.lab, deb = newLab(t)
	for _, domain := range []string{"_a.test", "_b.test", "_c.test"} {
		r := startRelayIn(t, s.lab, deb, domain, `notify_url = "`+peer.PushURL+`"`)
		s.relays = append(s.relays, r)
	}
	inTurn(t, s, []step[*transports]{
		{"three accounts in a profile", (*transports).signUp},
		{"onboarding by an invitation", (*transports).onboard},
		{"conversation", (*transports).converse},
		{"a relay is down", (*transports).down},
		{"second device", (*transports).secondDevice},
		{"own messages", (*transports).wake},
		{"a relay is left", (*transports).leave},
		{"only port 443", (*transports).only443},
	})
}

func (s *transports) signUp(t *testing.T) {
	s.bob = startProfile(t, s.lab, "bob", s.relays[0].SignUpQR())
	for _, r := range s.relays[1:] {
		rpc(t, s.bob, nil, "add_transport_from_qr", r.SignUpQR())
	}
	if addrs := s.addresses(t, s.bob); len(addrs) != manyTransports {
		t.Errorf("Bob's accounts are %q", addrs)
	}
}

// onboard has Carol begin with nothing but Bob's invitation. Her client takes the one of
// his relays whose port 443 answers first. It would go on by itself, with three of all
// relays that it knows in an hour, most of which are not in the lab: so it is told which.
func (s *transports) onboard(t *testing.T) {
	ctx := deadline(t, stepTimeout)
	client := startClient(t, s.lab, "carol")
	var err error
	if s.carol, err = client.NewProfile(ctx, "carol"); err != nil {
		t.Fatal(err)
	}
	var invitation string
	rpc(t, s.bob, &invitation, "get_chat_securejoin_qr_code", nil)
	from := s.carol.Position()
	rpc(t, s.carol, nil, "init_transports", invitation)
	first := s.addresses(t, s.carol)
	if len(first) != 1 {
		t.Fatalf("Carol's first accounts are %q", first)
	}
	rpc(t, s.carol, nil, "set_config", "autorelay", "0")
	for _, r := range s.relays {
		if strings.HasSuffix(first[0], "@"+r.Domain) {
			continue
		}
		rpc(t, s.carol, nil, "add_transport_from_qr", r.SignUpQR())
	}
	if err := s.carol.StartIOFrom(ctx, from); err != nil {
		t.Fatal(err)
	}
	if all := s.addresses(t, s.carol); len(all) != manyTransports {
		t.Errorf("Carol's accounts are %q", all)
	}
	s.pair = join(t, s.carol, s.bob)
}

func (s *transports) converse(t *testing.T) {
	s.pair.converse(t)
	s.once(t, "hello, "+t.Name()+"/text_both_ways")
}

// down stops a relay that neither sends by. What the others have for it waits there, and
// is no second message when it comes.
func (s *transports) down(t *testing.T) {
	i := slices.IndexFunc(s.relays, func(r *Relay) bool {
		return !strings.HasSuffix(s.bob.Addr, "@"+r.Domain) && !strings.HasSuffix(s.carol.Addr, "@"+r.Domain)
	})
	r := s.relays[i]
	const units = " dovecot nginx "
	sh(t, r, "systemctl stop"+units+r.PostfixUnit())
	text := "hello, " + t.Name()
	say(t, s.carol, s.pair.ab, s.bob, text)
	say(t, s.bob, s.pair.ba, s.carol, text+" back")
	sh(t, r, "systemctl start"+units+r.PostfixUnit())
	s.once(t, text)
}

// secondDevice has what one device of Bob's sends reach the other, by his own relays.
func (s *transports) secondDevice(t *testing.T) {
	ctx := deadline(t, stepTimeout)
	client := startClient(t, s.lab, "bobs-phone")
	phone, err := client.AddDevice(ctx, s.bob, "bob's phone")
	if err != nil {
		t.Fatal(err)
	}
	const text = "sent from the desk"
	say(t, s.bob, s.pair.ba, s.carol, text)
	m, _, err := phone.WaitText(ctx, text)
	if err != nil {
		t.Fatal(err)
	}
	say(t, s.carol, s.pair.ab, s.bob, "to all your devices")
	if _, _, err := phone.WaitText(ctx, "to all your devices"); err != nil {
		t.Fatal(err)
	}
	s.queuesEmpty(ctx, t)
	texts, err := phone.Texts(ctx, m.ChatID)
	if err != nil {
		t.Fatal(err)
	}
	for _, once := range []string{text, "to all your devices"} {
		if n := occurrences(texts, once); n != 1 {
			t.Errorf("Bob's phone shows %q %d times", once, n)
		}
	}
}

// leave has Bob give up an account. Who writes to him then does not send it there.
func (s *transports) leave(t *testing.T) {
	ctx := deadline(t, stepTimeout)
	r := s.relays[len(s.relays)-1]
	addrs := s.addresses(t, s.bob)
	i := slices.IndexFunc(addrs, func(addr string) bool { return strings.HasSuffix(addr, "@"+r.Domain) })
	rpc(t, s.bob, nil, "delete_transport", addrs[i])
	if left := s.addresses(t, s.bob); len(left) != len(addrs)-1 || slices.Contains(left, addrs[i]) {
		t.Errorf("Bob's accounts are %q", left)
	}
	text := "hello, " + t.Name()
	say(t, s.bob, s.pair.ba, s.carol, text)
	s.queuesEmpty(ctx, t)
	there, err := r.WatchMail(addrs[i])
	if err != nil {
		t.Fatal(err)
	}
	defer there.Close()
	say(t, s.carol, s.pair.ab, s.bob, text+" back")
	s.queuesEmpty(ctx, t)
	if n := there.Count(); n != 0 {
		t.Errorf("%d messages came to the account that Bob has left", n)
	}
}

// only443 has a user sign up, and write to Bob, where the network lets no mail program
// out: the relay's port 443 serves IMAP and SMTP, too.
func (s *transports) only443(t *testing.T) {
	ctx := deadline(t, stepTimeout)
	client := startClient(t, s.lab, "hotel")
	if _, err := client.InNetns(ctx, "nft",
		"table inet hotel { chain out { type filter hook output priority 0; tcp dport { 25, 143, 465, 587, 993 } counter reject with tcp reset; }; }"); err != nil {
		t.Fatal(err)
	}
	dave, err := client.SignUp(ctx, "dave", s.relays[0].SignUpQR())
	if err != nil {
		t.Fatal(err)
	}
	join(t, dave, s.bob).text(t)
}

// once waits until no relay has any message left to deliver, or for a client to fetch, and
// wants each side to have a text once.
func (s *transports) once(t *testing.T, text string) {
	t.Helper()
	ctx := deadline(t, stepTimeout)
	s.queuesEmpty(ctx, t)
	for _, p := range []*core.Profile{s.bob, s.carol} {
		for _, addr := range s.addresses(t, p) {
			user, domain, _ := strings.Cut(addr, "@")
			i := slices.IndexFunc(s.relays, func(r *Relay) bool { return r.Domain == domain })
			until(ctx, t, p.Name+" to fetch all mail", func() bool {
				mails, err := s.relays[i].Script(ctx, fmt.Sprintf("cd /home/vmail/mail/%s/%s@%[1]s; find cur new -type f", domain, user))
				return err == nil && mails == ""
			})
		}
	}
	for _, side := range []struct {
		who  *core.Profile
		chat uint32
	}{{s.carol, s.pair.ab}, {s.bob, s.pair.ba}} {
		texts, err := side.who.Texts(ctx, side.chat)
		if err != nil {
			t.Fatal(err)
		}
		if n := occurrences(texts, text); n != 1 {
			t.Errorf("%s has %q %d times, among %q", side.who.Name, text, n, texts)
		}
	}
}

// queuesEmpty waits until no relay has anything to deliver. What waits is tried now.
func (s *transports) queuesEmpty(ctx context.Context, t *testing.T) {
	t.Helper()
	until(ctx, t, "the queues to be empty", func() bool {
		for _, r := range s.relays {
			if queue, err := r.Script(ctx, "postqueue -f; postqueue -j"); err != nil || queue != "" {
				return false
			}
		}
		return true
	})
}

func (s *transports) addresses(t *testing.T, p *core.Profile) []string {
	t.Helper()
	addrs, err := p.Addresses(deadline(t, stepTimeout))
	if err != nil {
		t.Fatal(err)
	}
	return addrs
}

func occurrences(texts []string, text string) (n int) {
	for _, other := range texts {
		if other == text {
			n++
		}
	}
	return n
}
