package lab

import (
	"testing"

	"chatmaild/testdata/lab/core"
)

// A pair is two profiles, on different relays, that know of each other.
type pair struct {
	a, b   *core.Profile
	ab, ba uint32 // a's chat with b, and b's with a
}

// join has a scan the QR code that b shows.
func join(t *testing.T, a, b *core.Profile) pair {
	t.Helper()
	ctx := deadline(t, stepTimeout)
	p := pair{a: a, b: b}
	var err error
	p.ab = secureJoin(t, a, b, nil)
	if p.ba, err = b.ChatWith(ctx, a); err != nil {
		t.Fatal(err)
	}
	return p
}

// converse does with two people's relays what people do.
func (p pair) converse(t *testing.T) {
	inTurn(t, p, []step[pair]{
		{"text both ways", pair.text},
		{"file", pair.file},
		{"group", pair.group},
		{"read receipts", pair.receipts},
	})
}

func (p pair) text(t *testing.T) {
	say(t, p.a, p.ab, p.b, "hello, "+t.Name())
	say(t, p.b, p.ba, p.a, "hello back, "+t.Name())
}

func (p pair) file(t *testing.T) { transfer(t, p.b, p.ba, p.a, federatedFile) }

// group has a make a group with b in it, and both write to it.
func (p pair) group(t *testing.T) {
	ctx := deadline(t, stepTimeout)
	var ours uint32
	rpc(t, p.a, &ours, "create_group_chat", t.Name(), false)
	contact, err := p.a.Contact(ctx, p.b)
	if err != nil {
		t.Fatal(err)
	}
	rpc(t, p.a, nil, "add_contact_to_chat", ours, contact)
	theirs := say(t, p.a, ours, p.b, "hello group, "+t.Name()).ChatID
	if theirs == p.ba {
		t.Error("the group's message came into another chat")
	}
	rpc(t, p.b, nil, "accept_chat", theirs)
	if back := say(t, p.b, theirs, p.a, "hello back, "+t.Name()); back.ChatID != ours {
		t.Error("the answer came into another chat than the group's")
	}
}

// receipts has each read what the other wrote, and the other hear of it.
func (p pair) receipts(t *testing.T) {
	for _, way := range []struct {
		from *core.Profile
		chat uint32
		to   *core.Profile
	}{{p.a, p.ab, p.b}, {p.b, p.ba, p.a}} {
		ctx := deadline(t, stepTimeout)
		position := way.from.Position()
		id := send(t, way.from, way.chat, "have you read this, "+way.to.Name+"? "+t.Name())
		m, _, err := way.to.WaitText(ctx, "have you read this, "+way.to.Name+"? "+t.Name())
		if err != nil {
			t.Fatal(err)
		}
		rpc(t, way.to, nil, "markseen_msgs", []uint32{m.ID})
		if _, err := way.from.Wait(ctx, position, core.MsgRead, func(e core.Event) bool { return e.MsgID == id }); err != nil {
			t.Fatal(err)
		}
	}
}
