package lab

import (
	"crypto/rand"
	"strings"
	"testing"

	"chatmaild/testdata/lab/core"
)

// wake shows whom Bob's own message wakes. He has an account on each relay, and now that
// he has two devices, his client sends a copy of what he writes to each. The relay that he
// sends by sees that it is his own, and wakes nobody. To the others it is a message from a
// stranger, for neither the envelope nor the header says that both addresses are his.
func (s *transports) wake(t *testing.T) {
	ctx := deadline(t, stepTimeout)
	service := startPushService(ctx, t, s.lab, s.relays...)
	tokens := s.storeTokens(t, s.bob)
	woken := func(what string, want int) {
		t.Helper()
		var times int
		until(ctx, t, what+" to wake Bob", func() bool {
			times = 0
			for _, token := range tokens {
				times += len(service.Times(token))
			}
			return times >= want
		})
		if times != want {
			t.Errorf("woken %d times after %s, want %d", times, what, want)
		}
	}
	say(t, s.bob, s.pair.ba, s.carol, "this is no news to me")
	s.queuesEmpty(ctx, t)
	woken("his own message", manyTransports-1)
	say(t, s.carol, s.pair.ab, s.bob, "but this is")
	s.queuesEmpty(ctx, t)
	woken("his own and Carol's message", 2*manyTransports-1)
}

// storeTokens stores a device token in each account of a profile.
func (s *transports) storeTokens(t *testing.T, p *core.Profile) (tokens []string) {
	t.Helper()
	ctx := deadline(t, stepTimeout)
	outside := addStation(t, s.lab, "outside")
	accounts, err := p.Transports(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range accounts {
		_, domain, _ := strings.Cut(a.Addr, "@")
		session, err := outside.IMAP(ctx, domain)
		if err != nil {
			t.Fatal(err)
		}
		defer session.Close()
		if err := session.Login(a.Addr, a.Password); err != nil {
			t.Fatal(err)
		}
		token := "openpgp:" + rand.Text()
		if _, err := session.OK("SETMETADATA INBOX (/private/devicetoken {%d+}\r\n%s)", len(token), token); err != nil {
			t.Fatal(err)
		}
		tokens = append(tokens, token)
	}
	return tokens
}
