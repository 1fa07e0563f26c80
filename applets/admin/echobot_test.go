package admin

import (
	"slices"
	"strings"
	"testing"
	"time"

	"chatmaild/applets/admin/wanted"
	"chatmaild/applets/echobot/bot"
	"chatmaild/applets/echobot/session"
	"chatmaild/auth"
)

// botFiles plans the bot and returns its files by the ends of their paths.
func botFiles(t *testing.T, p *planner) (*bot.Identity, map[string]wanted.File) {
	t.Helper()
	id, err := p.echoBot()
	if err != nil {
		t.Fatal(err)
	}
	files, err := p.echoBotFiles(id)
	if err != nil {
		t.Fatal(err)
	}
	named := map[string]wanted.File{}
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
	if identity.Owner != wanted.EchobotUser || identity.Mode != 0o600 || !identity.Secret || !password.Secret || password.Owner != "vmail" {
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
	m.Active[wanted.Echobot] = time.Now()
	p := m.planner(underscore + "echobot = false\n")
	id, files := botFiles(t, &p)
	if id != nil || len(files) > 0 || p.echoBotInvite() != "" || p.botUnits() != nil {
		t.Errorf("got %v, %v", id, files)
	}
	todo, err := p.relay(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(todo.units, unitStep{"stop", wanted.Echobot, "echobot = false"}) {
		t.Errorf("it is not stopped: %+v", todo.units)
	}
}

func TestEchoBotStatus(t *testing.T) {
	now := time.Now()
	probe := func(p session.Probe) string {
		text, err := p.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	tests := map[string]struct {
		config, probe string
		want          level
		says          string
	}{
		"none yet":        {"", "", notice, "none yet"},
		"good":            {"", probe(session.Probe{Time: now, OK: true, Seconds: .0474}), fine, "took 47 ms"},
		"failed":          {"", probe(session.Probe{Time: now, Error: "lost"}), trouble, "failed: lost"},
		"failed lately":   {"", probe(session.Probe{Time: now, Error: "lost", LastSuccess: now.Add(-time.Hour)}), trouble, "1h00m ago"},
		"none for long":   {"", probe(session.Probe{Time: now.Add(-time.Hour), OK: true}), trouble, "is the echo bot running?"},
		"damaged":         {"", "{", trouble, "JSON"},
		"off":             {"probe_interval = \"\"\n", "", "", ""},
		"there is no bot": {"echobot = false\n", "", "", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t)
			e := examiner{planner: m.planner(underscore + tt.config)}
			e.now = now
			if e.conf.Echobot {
				_, files := botFiles(t, &e.planner)
				m.Write(e.conf.EchobotIdentity(), string(files["identity.json"].Content))
			}
			if tt.probe != "" {
				m.Write(e.conf.ProbeResult(), tt.probe)
			}
			e.echoBot()
			var got finding
			for _, f := range e.findings {
				if f.Part == "probe" {
					got = f
				}
			}
			if got.Level != tt.want || !strings.Contains(got.Detail, tt.says) || (got.Level == trouble) != (got.Hint != "") {
				t.Errorf("got %+v, want %s, %q", got, tt.want, tt.says)
			}
		})
	}
	m := newMachine(t)
	e := examiner{planner: m.planner(underscore)}
	if e.echoBot(); len(e.findings) != 1 || e.findings[0].Level != trouble {
		t.Errorf("before there is a bot: got %+v", e.findings)
	}
}
