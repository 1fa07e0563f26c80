package status

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"chatmaild/applets/acme/renewal"
	"chatmaild/applets/admin/converge"
	"chatmaild/applets/admin/host/hosttest"
	"chatmaild/applets/admin/takeover/journal"
	"chatmaild/applets/config"
	"chatmaild/applets/echobot/session"
)

const underscore = "mail_domain = \"_chat.example\"\n"

func newExaminer(m *hosttest.Machine, text string) *examiner {
	m.T.Helper()
	conf, err := config.Parse("test.toml", text)
	if err != nil {
		m.T.Fatal(err)
	}
	return &examiner{conf: conf, configPath: config.DefaultPath, version: "1", machine: m.Host, now: time.Now()}
}

// settle writes those of the files that chatmaild run would.
func settle(t *testing.T, e *examiner, paths ...string) {
	t.Helper()
	p := converge.Planner{Conf: e.conf, ConfigPath: e.configPath, Version: e.version, Machine: e.machine, Now: e.now}
	todo, err := p.Relay(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range todo.Files {
		if slices.Contains(paths, c.File.Path) {
			c.File.Owner, c.File.Group = "", ""
			if err := e.machine.Write(c.File); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestTakeover holds that status tells of an import that was interrupted.
func TestTakeover(t *testing.T) {
	for text, want := range map[string]level{
		"": "", `{"version": 1, "domain": "chat.example.org", "done": ["keep"]}`: trouble,
		`{"version": 1, "domain": "chat.example.org", "undoing": true}`: trouble, "{": trouble,
		`{"version": 1, "domain": "chat.example.org", "done": ["keep", "config", "data", "stop", "run", "notify"]}`: "",
	} {
		m := hosttest.New(t)
		if text != "" {
			m.Write(journal.Path, text)
		}
		e := newExaminer(m, underscore)
		e.takeover()
		var got level
		if len(e.findings) > 0 {
			got = e.findings[0].Level
		}
		if got != want {
			t.Errorf("%s: got %+v, want %q", text, e.findings, want)
		}
	}
}

// TestProblemInStatus holds that a refusal is told with what to do, and that it
// is only worth a note while the certificate lasts.
func TestProblemInStatus(t *testing.T) {
	m := hosttest.New(t)
	e := newExaminer(m, "mail_domain = \"chat.example.org\"\n")
	acmeFiles := renewal.Files(e.conf.ACMEDir())
	settle(t, e, acmeFiles.Certificate(), acmeFiles.PrivateKey())
	m.Write(acmeFiles.StateFile(), `{"directory":"x","next":"2026-03-01T10:00:00Z",
		"problem":{"type":"caa","detail":"not you","since":"2026-02-01T00:00:00Z","times":3}}`)
	e.certificate()
	var said strings.Builder
	if err := (report{Findings: e.findings}).print(&said, false); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"not you; retried at 2026-03-01 10:00:00", "the CAA record allows another authority", "none yet"} {
		if !strings.Contains(said.String(), want) {
			t.Errorf("status lacks %q:\n%s", want, said.String())
		}
	}
	for _, f := range e.findings {
		if f.Level != trouble {
			t.Errorf("%s is %s, want %s", f.Part, f.Level, trouble)
		}
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
			m := hosttest.New(t)
			e := newExaminer(m, underscore+tt.config)
			e.now = now
			if e.conf.Echobot {
				settle(t, e, config.EchoBot(e.conf).Identity())
			}
			if tt.probe != "" {
				m.Write(config.EchoBot(e.conf).ProbeResult(), tt.probe)
			}
			e.echoBot(t.Context())
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
	e := newExaminer(hosttest.New(t), underscore)
	if e.echoBot(t.Context()); len(e.findings) != 1 || e.findings[0].Level != trouble {
		t.Errorf("before there is a bot: got %+v", e.findings)
	}
}

// TestAppVersions holds that a file that cannot be announced is wrong, and one that
// there need not be does not matter.
func TestAppVersions(t *testing.T) {
	const path = "/etc/chatmail/appversions.json"
	for text, want := range map[string]level{
		"": "", "{": trouble, "none": trouble,
		`{"clients": [{"clientId": "a", "sources": [{"sourceId": "b", "versionInteger": 1, "versionString": "1.0", "downloadUrl": "https://a.example/b"}]}]}`: fine,
	} {
		m, conf := hosttest.New(t), underscore
		if err := os.Chmod(m.Root, 0o755); err != nil {
			t.Fatal(err)
		}
		if text != "" {
			conf += "appversions_file = \"" + path + "\"\n"
		}
		if text != "none" {
			m.Write(path, text)
		}
		e := newExaminer(m, conf)
		appVersions(e)
		var got finding
		if len(e.findings) > 0 {
			got = e.findings[0]
		}
		if got.Level != want || want == fine && got.Detail != "announced: a b 1.0" {
			t.Errorf("%s: got %+v, want %q", text, e.findings, want)
		}
	}
}
