package lab

import (
	"context"
	"slices"
	"testing"

	"chatmaild/testdata/lab/core"
)

// botContact returns the contact behind an address.
func botContact(ctx context.Context, t *testing.T, p *core.Profile, r *Relay) uint32 {
	t.Helper()
	id, err := p.Contact(ctx, &core.Profile{Name: "bot", Addr: "echo@" + r.Domain})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func (m *botMeeting) inGroup(t *testing.T) {
	ctx := deadline(t, stepTimeout)
	rpc(t, m.alice, &m.group, "create_group_chat", "Bötchen", false)
	secureJoin(t, m.bob, m.alice, &m.group)
	from := m.alice.Position()
	rpc(t, m.alice, nil, "add_contact_to_chat", m.group, botContact(ctx, t, m.alice, m.a))
	if got := m.said(ctx, t, m.alice, from, "Hello, all!"); got.ChatID != m.group {
		t.Errorf("the bot greets in chat %d, want %d", got.ChatID, m.group)
	}
	send(t, m.alice, m.group, "good morning")
	// The bot answers those who have written themselves.
	heard := answer(ctx, t, m.bob, "Alice's message", func(got core.Message) bool { return got.Text == "good morning" })
	from = m.alice.Position()
	send(t, m.bob, heard.ChatID, "good evening")
	m.said(ctx, t, m.alice, from, "good evening")
	send(t, m.alice, m.group, "@echo how are you")
	for _, p := range []*core.Profile{m.alice, m.bob} {
		answer(ctx, t, p, "the answer in the group", func(got core.Message) bool { return got.Text == "how are you" })
	}
	m.silent(t, m.alice, m.group, "good morning", 1)
	m.members(t, 3)
}

// silent holds that a text stands so often in a chat, by any author.
func (m *botMeeting) silent(t *testing.T, p *core.Profile, chat uint32, text string, want int) {
	t.Helper()
	texts, err := p.Texts(deadline(t, stepTimeout), chat)
	if err != nil {
		t.Fatal(err)
	}
	if got := len(slices.DeleteFunc(slices.Clone(texts), func(s string) bool { return s != text })); got != want {
		t.Errorf("%q stands %d times in the chat, want %d: %q", text, got, want, texts)
	}
}

// members holds that nobody was lost by what a bot wrote.
func (m *botMeeting) members(t *testing.T, want int) {
	t.Helper()
	for _, p := range []*core.Profile{m.alice, m.bob} {
		var group struct {
			ContactIDs []uint32 `json:"contactIds"`
		}
		ctx := deadline(t, stepTimeout)
		got, _, err := p.WaitMessage(ctx, "a message of the group", func(got core.Message) bool { return got.Text == "how are you" })
		if err != nil {
			t.Fatal(err)
		}
		rpc(t, p, &group, "get_full_chat_by_id", got.ChatID)
		if len(group.ContactIDs) != want {
			t.Errorf("%s sees %d members, want %d", p.Name, len(group.ContactIDs), want)
		}
	}
}

// twoBots has the bots meet in a group and talks to both at once.
func (m *botMeeting) twoBots(t *testing.T) {
	ctx := deadline(t, stepTimeout)
	other := scan(ctx, t, m.alice, inviteOf(t, m.b))
	answered(ctx, t, m.alice, "Hello! I am the echo bot of _other.test.")
	from := m.alice.Position()
	rpc(t, m.alice, nil, "add_contact_to_chat", m.group, botContact(ctx, t, m.alice, m.b))
	m.said(ctx, t, m.alice, from, "Hello, all!")
	send(t, m.alice, m.group, "@echo both of you")
	count := func() (n int, err error) {
		texts, err := m.alice.Texts(ctx, m.group)
		for _, text := range texts {
			if text == "both of you" {
				n++
			}
		}
		return n, err
	}
	if err := m.alice.Until(ctx, "both bots to answer", func() (bool, error) {
		n, err := count()
		return n >= 2, err
	}); err != nil {
		t.Fatal(err)
	}
	// Each bot has the other's answer before this question: it reads in order.
	for relay, chat := range map[*Relay]uint32{m.a: m.chat, m.b: other} {
		text := "are you calm, bot of " + relay.Domain
		send(t, m.alice, chat, text)
		answer(ctx, t, m.alice, text, func(got core.Message) bool { return got.Text == text })
	}
	if n, err := count(); n != 2 || err != nil {
		t.Errorf("the bots have answered %d times, want 2; %v", n, err)
	}
	m.members(t, 4)
}
