package lab

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"html"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chatmaild/testdata/lab/core"
)

// A botMeeting is two relays, each with its echo bot, and people who talk to both.
type botMeeting struct {
	lab        *Lab
	a, b       *Relay
	alice, bob *core.Profile // on a and b

	invite string // of a's bot
	chat   uint32 // Alice's with a's bot
	group  uint32
}

// self is the contact that a profile is of itself.
const self = 1

// TestEchobot is the proof that the real client and the echo bot understand each
// other, and that bots have nothing to say to each other.
func TestEchobot(t *testing.T) {
	t.Parallel()
	l, deb := newLab(t)
	const often = `probe_interval = "5s"`
	m := &botMeeting{lab: l, a: startRelayIn(t, l, deb, "_bots.test", often), b: startRelayIn(t, l, deb, "_other.test", often)}
	m.alice = startProfile(t, m.lab, "alice", m.a.SignUpQR())
	m.bob = startProfile(t, m.lab, "bob", m.b.SignUpQR())
	inTurn(t, m, []step[*botMeeting]{
		{"invite link", (*botMeeting).link},
		{"join by the link", (*botMeeting).join},
		{"text", (*botMeeting).text},
		{"files", (*botMeeting).files},
		{"group", (*botMeeting).inGroup},
		{"two bots", (*botMeeting).twoBots},
		{"our client joins the real one", (*botMeeting).joinCore},
		{"probe", (*botMeeting).probe},
		{"the name is nobody else's", (*botMeeting).name},
		{"restart", (*botMeeting).restart},
		{"off and on", (*botMeeting).off},
	})
}

func inviteOf(t *testing.T, r *Relay) string {
	t.Helper()
	out, err := r.Run(deadline(t, stepTimeout), "chatmaild", "echobot", "--invite")
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(out)
}

func (m *botMeeting) link(t *testing.T) {
	m.invite = inviteOf(t, m.a)
	page, err := m.a.ReadFile(deadline(t, stepTimeout), "/var/www/chatmaild/index.html")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(html.UnescapeString(page), m.invite) {
		t.Errorf("the home page does not have %s", m.invite)
	}
	if got := m.finding(t, "echo bot"); got.Level != "ok" || got.Detail != m.invite {
		t.Errorf("status says %+v, want %s", got, m.invite)
	}
}

// finding is what status says about one part.
type finding struct{ Part, Level, Detail string }

func (m *botMeeting) finding(t *testing.T, part string) finding {
	t.Helper()
	res, err := m.a.Exec(deadline(t, stepTimeout), nil, "chatmaild", "status", "--json")
	if err != nil {
		t.Fatal(err)
	}
	var report struct{ Findings []finding }
	if err := json.Unmarshal([]byte(res.Stdout), &report); err != nil {
		t.Fatalf("%v: %s%s", err, res.Stdout, res.Stderr)
	}
	for _, f := range report.Findings {
		if f.Part == part {
			return f
		}
	}
	return finding{}
}

// answer waits for the answer of another, and returns it.
func answer(ctx context.Context, t *testing.T, p *core.Profile, what string, match func(core.Message) bool) core.Message {
	t.Helper()
	got, _, err := p.WaitMessage(ctx, what, func(got core.Message) bool { return got.FromID != self && match(got) })
	if err != nil {
		t.Fatal(err)
	}
	if !got.ShowPadlock {
		t.Errorf("%s came, but not as an encrypted message", what)
	}
	return got
}

func answered(ctx context.Context, t *testing.T, p *core.Profile, begin string) core.Message {
	t.Helper()
	return answer(ctx, t, p, fmt.Sprintf("an answer that begins with %q", begin), func(got core.Message) bool {
		return strings.HasPrefix(got.Text, begin)
	})
}

// scan has a profile follow a link; it returns the chat.
func scan(ctx context.Context, t *testing.T, p *core.Profile, link string) (chat uint32) {
	t.Helper()
	from := p.Position()
	rpc(t, p, &chat, "secure_join", link)
	if _, err := p.Wait(ctx, from, core.JoinerProgress, func(e core.Event) bool { return e.Progress == core.Complete }); err != nil {
		t.Fatal(err)
	}
	return chat
}

func (m *botMeeting) join(t *testing.T) {
	ctx := deadline(t, stepTimeout)
	m.chat = scan(ctx, t, m.alice, m.invite)
	if got := answered(ctx, t, m.alice, "Hello! I am the echo bot of _bots.test."); got.ChatID != m.chat {
		t.Errorf("the greeting came in chat %d, want %d", got.ChatID, m.chat)
	}
}

func (m *botMeeting) text(t *testing.T) {
	for _, text := range []string{"hello bot", "-- \nnot a signature", "> not a quote\nzwölf Boxkämpfer 🥊"} {
		ctx := deadline(t, stepTimeout)
		send(t, m.alice, m.chat, text)
		answer(ctx, t, m.alice, text, func(got core.Message) bool { return got.Text == text })
	}
	ctx := deadline(t, stepTimeout)
	for command, want := range map[string]string{"/ping": "pong", "/help": "Hello! I am the echo bot"} {
		from := m.alice.Position()
		send(t, m.alice, m.chat, command)
		m.said(ctx, t, m.alice, from, want)
	}
}

// said waits for a message that came after a moment.
func (m *botMeeting) said(ctx context.Context, t *testing.T, p *core.Profile, from int, begin string) core.Message {
	t.Helper()
	var got core.Message
	_, err := p.Wait(ctx, from, core.IncomingMsg, func(e core.Event) bool {
		var err error
		got, err = p.Message(ctx, e.MsgID)
		return err == nil && strings.HasPrefix(got.Text, begin)
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// files sends one that goes with its message, and one that comes after it.
func (m *botMeeting) files(t *testing.T) {
	for name, size := range map[string]int{"small.bin": 10_000, "large.bin": 400_000} {
		ctx := deadline(t, stepTimeout)
		content := make([]byte, size)
		rand.Read(content)
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, content, 0o644); err != nil {
			t.Fatal(err)
		}
		text := "see " + name
		rpc(t, m.alice, nil, "send_msg", m.chat, map[string]any{
			"file": path, "filename": name, "viewtype": "File", "text": text,
		})
		got := answer(ctx, t, m.alice, name, func(got core.Message) bool { return got.FileName == name })
		if got.Text != text {
			t.Errorf("%s came back with %q, want %q", name, got.Text, text)
		}
		if file, err := os.ReadFile(got.File); err != nil || !bytes.Equal(file, content) {
			t.Errorf("%s: %d bytes came back of %d, or others; %v", name, len(file), size, err)
		}
	}
}

func (m *botMeeting) probe(t *testing.T) {
	ctx := deadline(t, stepTimeout)
	var got finding
	until(ctx, t, "a good probe", func() bool {
		got = m.finding(t, "probe")
		return got.Level == "ok"
	})
	t.Log(got.Detail)
	if _, err := m.a.Run(ctx, "systemctl", "stop", "dovecot.service"); err != nil {
		t.Fatal(err)
	}
	until(ctx, t, "a failed probe", func() bool { return m.finding(t, "probe").Level == "wrong" })
	if _, err := m.a.Run(ctx, "systemctl", "start", "dovecot.service"); err != nil {
		t.Fatal(err)
	}
	until(ctx, t, "a good probe again", func() bool { return m.finding(t, "probe").Level == "ok" })
}

func (m *botMeeting) name(t *testing.T) {
	s, err := m.alice.Client.IMAP(deadline(t, stepTimeout), m.a.Domain)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Login("echo@"+m.a.Domain, "not-the-password"); err == nil {
		t.Error("anybody can log in as the bot")
	}
}

func (m *botMeeting) restart(t *testing.T) {
	ctx := deadline(t, stepTimeout)
	if _, err := m.a.Run(ctx, "systemctl", "restart", "chatmaild-echobot.service"); err != nil {
		t.Fatal(err)
	}
	if out, err := m.a.Run(ctx, "chatmaild", "run", "--skip-dns-check"); err != nil || !strings.Contains(out, "nothing to do") {
		t.Errorf("chatmaild run: %s, %v", out, err)
	}
	if got := inviteOf(t, m.a); got != m.invite {
		t.Errorf("the invite is %s, want %s", got, m.invite)
	}
	send(t, m.alice, m.chat, "still you?")
	answer(ctx, t, m.alice, "the answer after the restart", func(got core.Message) bool { return got.Text == "still you?" })
	// Keys that came as gossip are still known.
	last, _, err := m.bob.WaitText(ctx, "how are you")
	if err != nil {
		t.Fatal(err)
	}
	send(t, m.bob, last.ChatID, "@echo and me?")
	for _, p := range []*core.Profile{m.alice, m.bob} {
		answer(ctx, t, p, "the answer to Bob", func(got core.Message) bool { return got.Text == "and me?" })
	}
	pss, err := m.a.Script(ctx, "awk '/^Pss:/ {print $2}' /proc/$(systemctl show -P MainPID chatmaild-echobot)/smaps_rollup")
	t.Logf("the bot has %s kB PSS, %v", strings.TrimSpace(pss), err)
}

func (m *botMeeting) off(t *testing.T) {
	ctx := deadline(t, 2*time.Minute)
	set := func(value string) {
		t.Helper()
		text, err := m.a.ReadFile(ctx, configFile)
		if err != nil {
			t.Fatal(err)
		}
		res, err := m.a.Exec(ctx, strings.NewReader(setKey(text, "echobot = "+value)), "dd", "status=none", "of="+configFile)
		if err != nil || res.Code != 0 {
			t.Fatal(res, err)
		}
		if _, err := m.a.Run(ctx, "chatmaild", "run", "--skip-dns-check"); err != nil {
			t.Fatal(err)
		}
	}
	set("false")
	if res, err := m.a.Exec(ctx, nil, "systemctl", "is-active", "chatmaild-echobot.service"); err != nil || res.Code == 0 {
		t.Errorf("the bot runs: %+v, %v", res, err)
	}
	page, err := m.a.ReadFile(ctx, "/var/www/chatmaild/index.html")
	if err != nil || strings.Contains(page, "i.delta.chat") {
		t.Errorf("the home page has an invite; %v", err)
	}
	set("true")
	if got := inviteOf(t, m.a); got != m.invite {
		t.Errorf("the invite is %s, want %s", got, m.invite)
	}
	send(t, m.alice, m.chat, "back again?")
	answer(ctx, t, m.alice, "the answer of a bot that was off", func(got core.Message) bool { return got.Text == "back again?" })
	broken, err := m.a.Broken(ctx)
	if err != nil || broken != nil {
		t.Errorf("failed, or started more than once: %q, %v", broken, err)
	}
}
