package lab

import (
	"archive/zip"
	"bytes"
	"crypto/rand"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chatmaild/testdata/lab/core"
)

// A talk is what the steps of the part "wire" share.
type talk struct {
	lab        *Lab
	relay      *Relay
	alice, bob *core.Profile
	ab, ba     uint32
	group      uint32
}

// clearStep is the only step with a message that is not encrypted: a request.
const clearStep = "SecureJoin 2"

// wire has real clients say everything that they can, and looks at it as it
// comes off the wire.
func (p *proof) wire(t *testing.T) {
	w := p.relay.tap(t)
	k := &talk{lab: p.lab, relay: p.relay}
	k.alice = startProfile(t, p.lab, "wire-alice", p.relay.SignUpQR())
	k.bob = startProfile(t, p.lab, "wire-bob", p.relay.SignUpQR())
	for _, step := range []struct {
		name string
		do   func(*talk, *testing.T)
	}{
		{"SecureJoin 3", (*talk).secureJoin},
		{clearStep, (*talk).oldSecureJoin},
		{"texts", (*talk).texts},
		{"files", (*talk).files},
		{"group", (*talk).groups},
		{"read receipt", (*talk).receipt},
		{"reaction, edit, deletion", (*talk).changes},
		{"call", (*talk).call},
		{"webxdc", (*talk).webxdc},
	} {
		before := len(w.all())
		if !t.Run(step.name, func(t *testing.T) { step.do(k, t) }) {
			break
		}
		now := w.all()
		if len(now) == before {
			t.Errorf("%s: nothing came by", step.name)
		}
		inClear, wantClear := 0, 0
		if step.name == clearStep {
			wantClear = 1
		}
		for _, c := range now[before:] {
			checkCapture(t, step.name, c)
			if c.clear() {
				inClear++
			}
		}
		if inClear != wantClear {
			t.Errorf("%s: %d messages in the clear, want %d", step.name, inClear, wantClear)
		}
		t.Logf("%s: %d messages", step.name, len(now)-before)
	}
	if refused := p.script(t, `journalctl --no-pager --output=cat --unit=chatmaild-maillog.service --unit='chatmaild-filtermail-*' |
	grep -E 'reject: |refused' || true`); refused != "" {
		t.Errorf("refused:\n%s", refused)
	}
}

func (k *talk) secureJoin(t *testing.T) {
	ctx := deadline(t, partTimeout)
	var err error
	k.ba = secureJoin(t, k.bob, k.alice, nil)
	if k.ab, err = k.alice.ChatWith(ctx, k.bob); err != nil {
		t.Fatal(err)
	}
}

// oldSecureJoin takes from the QR code what says that the inviter knows version
// 3: so the joiner begins in the clear, as clients did until 2025.
func (k *talk) oldSecureJoin(t *testing.T) {
	ctx := deadline(t, partTimeout)
	carol := startProfile(t, k.lab, "wire-carol", k.relay.SignUpQR())
	var qr string
	rpc(t, k.alice, &qr, "get_chat_securejoin_qr_code", nil)
	old := strings.Replace(qr, "&v=3", "", 1)
	if old == qr {
		t.Fatalf("the QR code has no version")
	}
	from := carol.Position()
	rpc(t, carol, nil, "secure_join", old)
	if _, err := carol.Wait(ctx, from, core.JoinerProgress, func(e core.Event) bool { return e.Progress == core.Complete }); err != nil {
		t.Fatal(err)
	}
}

func (k *talk) texts(t *testing.T) {
	say(t, k.bob, k.ba, k.alice, "hello Alice")
	say(t, k.alice, k.ab, k.bob, "hello Bob: ümläut, 🐦\n.\n..\nFrom here")
	// The receiver shows the beginning of a text this long.
	send(t, k.bob, k.ba, strings.Repeat("a long text. ", 2000))
	say(t, k.bob, k.ba, k.alice, "that was long")
}

func (k *talk) files(t *testing.T) {
	ctx := deadline(t, partTimeout)
	for _, f := range []struct {
		name, viewtype string
		size           int
	}{{"small.bin", "File", 3000}, {"large.bin", "File", 3 << 20}, {"picture.png", "Image", 0}} {
		content := onePixel
		if f.size > 0 {
			content = make([]byte, f.size)
			rand.Read(content)
		}
		name := filepath.Join(t.TempDir(), f.name)
		if err := os.WriteFile(name, content, 0o644); err != nil {
			t.Fatal(err)
		}
		params := map[string]any{"file": name, "filename": f.name, "viewtype": f.viewtype, "text": "see " + f.name}
		rpc(t, k.alice, nil, "send_msg", k.ab, params)
		if f.viewtype == "File" {
			if _, err := k.bob.WaitFile(ctx, f.name); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if _, _, err := k.bob.WaitText(ctx, "see "+f.name); err != nil {
			t.Fatal(err)
		}
	}
}

// onePixel is a PNG.
var onePixel = []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89" +
	"\x00\x00\x00\nIDATx\x9cc\x00\x01\x00\x00\x05\x00\x01\r\n-\xb4\x00\x00\x00\x00IEND\xaeB`\x82")

func (k *talk) groups(t *testing.T) {
	ctx := deadline(t, partTimeout)
	rpc(t, k.alice, &k.group, "create_group_chat", "birds", false)
	bob, err := k.alice.Contact(ctx, k.bob)
	if err != nil {
		t.Fatal(err)
	}
	rpc(t, k.alice, nil, "add_contact_to_chat", k.group, bob)
	say(t, k.alice, k.group, k.bob, "hello birds")
	for _, step := range []struct {
		method string
		params []any
	}{
		{"set_chat_name", []any{k.group, "seagulls"}},
		{"remove_contact_from_chat", []any{k.group, bob}},
		{"add_contact_to_chat", []any{k.group, bob}},
	} {
		rpc(t, k.alice, nil, step.method, step.params...)
	}
	say(t, k.alice, k.group, k.bob, "hello again, birds")
	m, _, err := k.bob.WaitText(ctx, "hello again, birds")
	if err != nil {
		t.Fatal(err)
	}
	rpc(t, k.bob, nil, "accept_chat", m.ChatID)
	say(t, k.bob, m.ChatID, k.alice, "hello, flock")
}

func (k *talk) receipt(t *testing.T) {
	ctx := deadline(t, partTimeout)
	from := k.alice.Position()
	id := send(t, k.alice, k.ab, "read me")
	m, _, err := k.bob.WaitText(ctx, "read me")
	if err != nil {
		t.Fatal(err)
	}
	rpc(t, k.bob, nil, "markseen_msgs", []uint32{m.ID})
	if _, err := k.alice.Wait(ctx, from, core.MsgRead, func(e core.Event) bool { return e.MsgID == id }); err != nil {
		t.Fatal(err)
	}
}

func (k *talk) changes(t *testing.T) {
	ctx := deadline(t, partTimeout)
	id := send(t, k.alice, k.ab, "first thought")
	m, _, err := k.bob.WaitText(ctx, "first thought")
	if err != nil {
		t.Fatal(err)
	}
	from := k.alice.Position()
	rpc(t, k.bob, nil, "send_reaction", m.ID, []string{"👍"})
	if _, err := k.alice.Wait(ctx, from, "IncomingReaction", nil); err != nil {
		t.Fatal(err)
	}
	rpc(t, k.alice, nil, "send_edit_request", id, "second thought")
	err = k.bob.Until(ctx, "the edited text", func() (bool, error) {
		m, err := k.bob.Message(ctx, m.ID)
		return m.Text == "second thought", err
	})
	if err != nil {
		t.Fatal(err)
	}
	from = k.bob.Position()
	rpc(t, k.alice, nil, "delete_messages_for_all", []uint32{id})
	if _, err := k.bob.Wait(ctx, from, "MsgDeleted", nil); err != nil {
		t.Fatal(err)
	}
}

func (k *talk) call(t *testing.T) {
	ctx := deadline(t, partTimeout)
	from := k.bob.Position()
	var id uint32
	rpc(t, k.alice, &id, "place_outgoing_call", k.ab, "offer", false)
	ring, err := k.bob.Wait(ctx, from, "IncomingCall", nil)
	if err != nil {
		t.Fatal(err)
	}
	from = k.alice.Position()
	rpc(t, k.bob, nil, "accept_incoming_call", ring.CallID, "answer")
	if _, err := k.alice.Wait(ctx, from, "OutgoingCallAccepted", nil); err != nil {
		t.Fatal(err)
	}
	from = k.bob.Position()
	rpc(t, k.alice, nil, "end_call", id)
	if _, err := k.bob.Wait(ctx, from, "CallEnded", nil); err != nil {
		t.Fatal(err)
	}
}

func (k *talk) webxdc(t *testing.T) {
	ctx := deadline(t, partTimeout)
	id, _ := k.app(t)
	from := k.bob.Position()
	rpc(t, k.alice, nil, "send_webxdc_status_update", id, `{"payload": {"move": "e4"}}`, nil)
	if _, err := k.bob.Wait(ctx, from, "WebxdcStatusUpdate", nil); err != nil {
		t.Fatal(err)
	}
}

// app has Alice send Bob an app; it is a message on either side.
func (k *talk) app(t *testing.T) (alices, bobs uint32) {
	t.Helper()
	ctx := deadline(t, partTimeout)
	name := filepath.Join(t.TempDir(), "app.xdc")
	var app bytes.Buffer
	z := zip.NewWriter(&app)
	f, err := z.Create("index.html")
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(f, "<!DOCTYPE html><title>app</title>")
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, app.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	params := map[string]any{"file": name, "filename": "app.xdc", "viewtype": "Webxdc"}
	rpc(t, k.alice, &alices, "send_msg", k.ab, params)
	m, err := k.bob.WaitFile(ctx, "app.xdc")
	if err != nil {
		t.Fatal(err)
	}
	return alices, m.ID
}
