package converge

import (
	"slices"
	"strings"
	"testing"
	"time"

	"chatmaild/applets/admin/desired"
	"chatmaild/applets/echobot/bot"
	"chatmaild/auth"
)

// botFiles plans the bot and returns its files by the ends of their paths.
func botFiles(t *testing.T, p *Planner) (*bot.Identity, map[string]desired.File) {
	t.Helper()
	id, err := p.echoBot()
	if err != nil {
		t.Fatal(err)
	}
	files, err := p.echoBotFiles(id)
	if err != nil {
		t.Fatal(err)
	}
	named := map[string]desired.File{}
	for _, f := range files {
		named[f.Path[strings.LastIndex(f.Path, "/")+1:]] = f
	}
	return id, named
}

func TestEchoBotIsMadeOnce(t *testing.T) {
	m := newMachine(t)
	p := m.planner(underscore)
	if got := p.echoBotInvite(); got != "" {
		t.Errorf("there is an invite before there is a bot: %s", got)
	}
	id, files := botFiles(t, &p)
	identity, password := files["identity.json"], files["password"]
	if identity.Owner != desired.EchobotUser || identity.Mode != 0o600 || !identity.Secret || !password.Secret || password.Owner != "vmail" {
		t.Errorf("got %+v and %+v", identity, password)
	}
	if !auth.Matches(string(password.Content), id.Password) {
		t.Error("the bot cannot log in with its password")
	}
	m.Write(identity.Path, string(identity.Content))
	m.Write(password.Path, string(password.Content))
	again, files := botFiles(t, &p)
	if got, want := p.echoBotInvite(), id.InviteLink("_chat.example"); got != want || again.InviteLink("_chat.example") != want {
		t.Errorf("the second run: got %s, want %s", got, want)
	}
	if string(files["password"].Content) != string(password.Content) || string(files["identity.json"].Content) != string(identity.Content) {
		t.Error("the second run writes other files")
	}

	for name, stored := range map[string]string{"another's": "{SHA512-CRYPT}$6$x$y", "none": "", "unreadable": "{BLF-CRYPT}x"} {
		m.Write(password.Path, stored)
		if _, files := botFiles(t, &p); !auth.Matches(string(files["password"].Content), id.Password) {
			t.Errorf("with the password %s of before, the bot cannot log in", name)
		}
	}
	blocked := auth.Block(string(password.Content))
	m.Write(password.Path, blocked)
	if _, files := botFiles(t, &p); string(files["password"].Content) != blocked {
		t.Error("a bot that an operator has blocked is not any more")
	}

	m.Write(identity.Path, "{}")
	if _, err := p.echoBot(); err == nil {
		t.Error("a damaged identity is replaced by another")
	}
}

func TestNoEchoBot(t *testing.T) {
	m := newMachine(t)
	m.Active[desired.Echobot] = time.Now()
	p := m.planner(underscore + "echobot = false\n")
	id, files := botFiles(t, &p)
	if id != nil || len(files) > 0 || p.echoBotInvite() != "" || desired.BotUnits(p.Conf) != nil {
		t.Errorf("got %v, %v", id, files)
	}
	todo, err := p.Relay(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(todo.Units, UnitStep{"stop", desired.Echobot, "echobot = false"}) {
		t.Errorf("it is not stopped: %+v", todo.Units)
	}
}
