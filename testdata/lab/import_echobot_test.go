package lab

import (
	"bytes"
	"context"
	"os/exec"
	"strings"
	"testing"

	"chatmaild/testdata/lab/core"
)

// An oldBot is the echo bot of the Python relay: the real core's account, where
// chatmaild/echo.py of chatmail/relay 1.7.0 has it, and alice's chat with it.
type oldBot struct {
	*core.Profile
	invite  string
	chat    uint32 // alice's
	contact string // as alice knows it: the fingerprints
}

// oldBotDir is the working directory of echobot.service.
const oldBotDir = "/var/lib/echobot"

// startBot makes the bot, has alice join it and talk to it, and files its account on
// the old relay while it is open, as it is when a relay is taken over.
func (k *imported) startBot(t *testing.T) {
	ctx := deadline(t, stepTimeout)
	c := startClient(t, k.lab, "bot")
	// The old doveauth finds its password in /run/echobot; the one that stands for it
	// wants it here, since the name is reserved.
	k.script(t, `install -d -o vmail -g vmail -m 700 %[1]s/echo@%[2]s
doveadm pw -s BLF-CRYPT -p password-of-echo | install -o vmail -g vmail -m 600 /dev/stdin %[1]s/echo@%[2]s/password`, oldBoxes, oldDomain)
	var err error
	if k.bot.Profile, err = c.NewProfile(ctx, "Echo bot"); err != nil {
		t.Fatal(err)
	}
	for _, step := range []func() error{
		func() error { return k.bot.Call(ctx, nil, "set_config", "bot", "1") },
		func() error { return k.bot.SignUp(ctx, login("echo", oldDomain)) },
		func() error { return k.bot.Call(ctx, &k.bot.invite, "get_chat_securejoin_qr_code", nil) },
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	k.bot.chat = scan(ctx, t, k.alice, k.bot.invite)
	k.echo(t, "is anybody there?")
	k.bot.contact = k.knownBot(ctx, t)

	account, err := exec.CommandContext(ctx, "tar", "--create", "--directory", c.Dir, "accounts").Output()
	if err != nil {
		t.Fatal(err)
	}
	res, err := k.relay.Exec(ctx, bytes.NewReader(account), "sh", "-euc", "mkdir "+oldBotDir+"; tar --extract --directory="+oldBotDir)
	if err == nil {
		err = res.Failure("tar", nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, k.relay, oldBotDir+"/invite-link.txt", 0o600, k.bot.invite)
	// From here on the one that answers is the new one.
	rpc(t, k.bot, nil, "stop_io")
}

// echo has alice write to the old bot, and the bot answer as echo.py does.
func (k *imported) echo(t *testing.T, text string) {
	t.Helper()
	ctx := deadline(t, stepTimeout)
	m := say(t, k.alice, k.bot.chat, k.bot.Profile, text)
	send(t, k.bot.Profile, m.ChatID, text)
	k.echoed(ctx, t, text)
}

// echoed waits for the bot's answer, in the chat that alice has always had with it.
func (k *imported) echoed(ctx context.Context, t *testing.T, text string) {
	t.Helper()
	got := answer(ctx, t, k.alice, "the echo of "+text, func(m core.Message) bool { return strings.HasPrefix(m.Text, text) })
	if got.ChatID != k.bot.chat {
		t.Errorf("the echo of %q came in chat %d, want %d", text, got.ChatID, k.bot.chat)
	}
}

// knownBot is what alice's app shows of the bot's key.
func (k *imported) knownBot(ctx context.Context, t *testing.T) (known string) {
	t.Helper()
	contact, err := k.alice.Contact(ctx, k.bot.Profile)
	if err == nil {
		err = k.alice.Call(ctx, &known, "get_contact_encryption_info", contact)
	}
	if err != nil {
		t.Fatal(err)
	}
	return known
}

// sameBot shows that alice's chat continues, and that the link that people have leads to
// the same bot.
func (k *imported) sameBot(t *testing.T, joiner *core.Profile) {
	ctx := deadline(t, stepTimeout)
	defer nudging(ctx, k.alice, k.bob)()
	text := "are you still there, " + joiner.Name + " asks"
	send(t, k.alice, k.bot.chat, text)
	k.echoed(ctx, t, text)
	if got := k.knownBot(ctx, t); got != k.bot.contact {
		t.Errorf("the bot's contact is\n%s\nand was\n%s", got, k.bot.contact)
	}
	chat := scan(ctx, t, joiner, k.bot.invite)
	if got := answered(ctx, t, joiner, "Hello! I am the echo bot of "+oldDomain); got.ChatID != chat {
		t.Errorf("the greeting came in chat %d, want %d", got.ChatID, chat)
	}
}

// botIsBack has the old bot answer again, with its old password.
func (k *imported) botIsBack(t *testing.T) {
	if err := k.bot.StartIO(deadline(t, stepTimeout)); err != nil {
		t.Fatal(err)
	}
	k.echo(t, "is it you again?")
}
