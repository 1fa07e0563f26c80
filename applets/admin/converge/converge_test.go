package converge

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"chatmaild/applets/admin/desired"
	"chatmaild/applets/admin/host"
	"chatmaild/applets/admin/host/hosttest"
	"chatmaild/applets/config"
)

// fakeMachine is the machine of the tests of this package.
type fakeMachine struct{ *hosttest.Machine }

func newMachine(t *testing.T) *fakeMachine {
	t.Helper()
	return &fakeMachine{hosttest.New(t)}
}

func (m *fakeMachine) plan(text string) (*Plan, error) {
	m.T.Helper()
	p := m.planner(text)
	return p.Relay(context.Background())
}

func (m *fakeMachine) planner(text string) Planner {
	m.T.Helper()
	conf, err := config.Parse("test.toml", text)
	if err != nil {
		m.T.Fatal(err)
	}
	return Planner{Conf: conf, ConfigPath: "/etc/chatmail/chatmail.toml", Version: "1", Machine: m.Host, Now: time.Now()}
}

const underscore = "mail_domain = \"_chat.example\"\n"

// settle makes the plan take owners as they come out below a root of our own.
func settle(todo *Plan) {
	own := func(f *desired.File, c host.Change) { f.Owner, f.Group = c.Owner, c.Group }
	todo.Files = slices.DeleteFunc(todo.Files, func(c host.Change) bool {
		if c.Exists {
			own(&c.File, c)
			return !c.File.Absent && bytes.Equal(c.Former, c.File.Content) && c.Mode == c.File.Mode
		}
		return false
	})
	todo.Directories = slices.DeleteFunc(todo.Directories, func(desired.Directory) bool { return true })
}

func TestPlanningChangesNothing(t *testing.T) {
	m := newMachine(t)
	before := m.Everything()
	todo, err := m.plan(underscore)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	todo.Show(&out)
	for _, want := range []string{"+mydestination = _chat.example", "privkey.pem (secret)", "start postfix.service", "enable chatmaild.target"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the dry run does not show %q", want)
		}
	}
	if strings.Contains(out.String(), "PRIVATE KEY") {
		t.Error("the dry run shows a private key")
	}
	after := m.Everything()
	if len(after) != len(before) || len(m.Did) > 0 {
		t.Errorf("planning changed the machine: %d files, %d before; systemctl %q", len(after), len(before), m.Did)
	}
}

func TestSecondRunHasNothingToDo(t *testing.T) {
	m := newMachine(t)
	todo, err := m.plan(underscore)
	if err != nil {
		t.Fatal(err)
	}
	if err := todo.Apply(context.Background(), m.Host, t.Output()); err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(m.Did, "start postfix.service") {
		t.Fatalf("Postfix was not started: %q", m.Did)
	}
	again, err := m.plan(underscore)
	if err != nil {
		t.Fatal(err)
	}
	settle(again)
	if len(again.Files) > 0 {
		t.Errorf("the second run would write %s", again.Files[0].File.Path)
	}
	delete(m.Active, desired.Bookworm.PostfixInstance())
	if again, err = m.plan(underscore); err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(again.Units, func(s UnitStep) bool { return s.Verb == "restart" && s.Unit == desired.Postfix }) {
		t.Errorf("Postfix does not run, and run would do %v", again.Units)
	}
}

// TestPostfixReloads holds that peers keep their connections unless what changes is read
// at a start alone.
func TestPostfixReloads(t *testing.T) {
	for _, tt := range []struct {
		change string
		want   []string // what is done to Postfix
	}{
		{"", nil},
		{"max_message_size = 1000000\n", []string{"reload"}},
		{"postfix_reinject_port = 10125\n", []string{"restart"}}, // one listener goes, one comes
		{"disable_ipv6 = true\n", []string{"restart"}},
	} {
		m := newMachine(t)
		todo, err := m.plan(underscore)
		if err != nil {
			t.Fatal(err)
		}
		if err := todo.Apply(t.Context(), m.Host, t.Output()); err != nil {
			t.Fatal(err)
		}
		for unit := range m.Active {
			m.Active[unit] = time.Now().Add(time.Millisecond) // after the files, before what follows
		}
		for round, want := range [][]string{tt.want, nil} {
			if todo, err = m.plan(underscore + tt.change); err != nil {
				t.Fatal(err)
			}
			settle(todo)
			var got []string
			for _, s := range todo.Units {
				if s.Unit == desired.Postfix {
					got = append(got, s.Verb)
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("%q, run %d: Postfix is to %q, want %q", tt.change, round+1, got, want)
			}
			if err := todo.Apply(t.Context(), m.Host, t.Output()); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestDovecotDecidesOnItsConfiguration: Debian does not, where upstream's fork is.
func TestDovecotDecidesOnItsConfiguration(t *testing.T) {
	for _, tt := range []struct{ debian, dovecot, first string }{
		{"12", "2.3.19.1 (9b53102964)\n", "protocols = imap lmtp\n"},
		{"13", "2.3.21 (47349e2482)\n", "protocols = imap lmtp\n"},
		{"13", "2.4.1-4 (7d8c0e5759)\n", "dovecot_config_version = 2.4.0\n"},
		{"13", "2.5.0 (0123456789)\n", ""},
	} {
		m := newMachine(t)
		m.Write("/etc/os-release", "ID=debian\nVERSION_ID=\""+tt.debian+"\"\n")
		m.Dovecot = tt.dovecot
		todo, err := m.plan(underscore)
		if tt.first == "" {
			if err == nil || !strings.Contains(err.Error(), "no configuration for Dovecot 2.5") {
				t.Errorf("Dovecot %s: got %v", tt.dovecot, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(todo.Files, func(c host.Change) bool { return c.File.Path == "/etc/dovecot/dovecot.conf" })
		if i < 0 || !strings.Contains(string(todo.Files[i].File.Content), "\n"+tt.first) {
			t.Errorf("Debian %s, Dovecot %s: want a configuration with %q", tt.debian, tt.dovecot, tt.first)
		}
	}
}

func TestARefusedConfigurationIsUndone(t *testing.T) {
	for refuse, want := range map[string]string{
		"postfix": "Postfix rejects its configuration", "doveconf": "Dovecot rejects its configuration",
		"nginx": "nginx rejects its configuration",
	} {
		t.Run(refuse, func(t *testing.T) {
			m := newMachine(t)
			m.Write("/etc/postfix/main.cf", "the operator's own\n")
			before := m.Everything()
			m.Refuse = refuse
			todo, err := m.plan(underscore)
			if err != nil {
				t.Fatal(err)
			}
			err = todo.Apply(context.Background(), m.Host, t.Output())
			if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "line 7 is odd") {
				t.Fatalf("got %v, want %q and why", err, want)
			}
			after := m.Everything()
			for path, text := range before {
				if after[path] != text {
					t.Errorf("%s is %q, was %q", path, after[path], text)
				}
			}
			for path := range after {
				if _, ok := before[path]; !ok && !strings.Contains(path, desired.Backups) {
					t.Errorf("%s was left behind", path)
				}
			}
			for _, call := range m.Did {
				if call != "daemon-reload" {
					t.Errorf("systemctl %s, although a configuration was refused", call)
				}
			}
		})
	}
}

func TestTheFormerFileIsKept(t *testing.T) {
	m := newMachine(t)
	m.Write("/etc/postfix/main.cf", "the operator's own\n")
	todo, err := m.plan(underscore)
	if err != nil {
		t.Fatal(err)
	}
	if err := todo.Apply(context.Background(), m.Host, t.Output()); err != nil {
		t.Fatal(err)
	}
	kept, err := filepath.Glob(filepath.Join(m.Root, desired.Backups, "*", "etc/postfix/main.cf"))
	if err != nil || len(kept) != 1 {
		t.Fatalf("kept: %q, %v", kept, err)
	}
	if text, err := os.ReadFile(kept[0]); err != nil || string(text) != "the operator's own\n" {
		t.Errorf("kept %q, %v", text, err)
	}
}

func TestARunThatCannotWork(t *testing.T) {
	const smtpHeld = "  sl  local_address\n" +
		"   0: 00000000:0019 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 77 1 0 100 0 0 10 0\n"
	tests := []struct {
		name, config string
		spoil        func(*fakeMachine)
		want         string
	}{
		{"another Debian", underscore, func(m *fakeMachine) {
			m.Write("/etc/os-release", "ID=debian\nVERSION_ID=\"11\"\nPRETTY_NAME=\"Debian 11\"\n")
		}, "this is Debian 11"},
		{"a missing package", underscore, func(m *fakeMachine) {
			if err := os.Remove(filepath.Join(m.Root, "/usr/sbin/nginx")); err != nil {
				m.T.Fatal(err)
			}
		}, "the package nginx is missing"},
		{"a held port", underscore, func(m *fakeMachine) {
			m.Write("/proc/net/tcp", smtpHeld)
			m.Write("/proc/300/comm", "exim4\n")
			m.Write("/proc/300/fd/0", "")
			if err := os.Symlink("socket:[77]", filepath.Join(m.Root, "/proc/300/fd/3")); err != nil {
				m.T.Fatal(err)
			}
		}, "port 25 is needed for SMTP from other relays, but exim4 (process 300) holds it"},
		{"an external pair that is not there", `mail_domain = "chat.example.org"
tls_external_cert_and_key = "/tls/cert /tls/key"`, func(*fakeMachine) {}, "tls_external_cert_and_key"},
		{"a DKIM key that is none", underscore, func(m *fakeMachine) {
			m.Write("/etc/dkimkeys/opendkim.private", "garbage")
		}, "the key is not PEM"},
		{"a web directory that is not there", underscore + `www_folder = "/srv/nowhere"`, func(*fakeMachine) {}, "www_folder"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := newMachine(t)
			tt.spoil(m)
			before := len(m.Everything())
			_, err := m.plan(tt.config)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if len(m.Everything()) != before || len(m.Did) > 0 {
				t.Error("the machine was changed")
			}
		})
	}
}

// TestIfRunning has an upgrade change a relay that runs, and no other machine.
func TestIfRunning(t *testing.T) {
	for _, tt := range []struct {
		name string
		then func(*fakeMachine)
		want bool
	}{
		{"a relay", func(*fakeMachine) {}, true},
		{"stopped", func(m *fakeMachine) { delete(m.Active, desired.Target) }, false},
		{"without mail", func(m *fakeMachine) { delete(m.Enabled, desired.Postfix) }, false},
	} {
		m := newMachine(t)
		m.Active[desired.Target] = time.Now()
		for _, unit := range append([]string{desired.Target}, desired.MailUnits()...) {
			m.Enabled[unit] = true
		}
		tt.then(m)
		if got, err := runs(context.Background(), m.Host); got != tt.want || err != nil {
			t.Errorf("%s: got %t, %v, want %t", tt.name, got, err, tt.want)
		}
	}
}

// TestFormerVersion takes away what a version before this one has left.
func TestFormerVersion(t *testing.T) {
	m := newMachine(t)
	const socket, dict = "chatmaild-doveauth.socket", "/etc/dovecot/chatmaild-dict-auth.conf"
	m.Active[socket] = time.Now()
	m.Write(dict, "uri = proxy\n")
	todo, err := m.plan(underscore)
	if err != nil {
		t.Fatal(err)
	}
	if err := todo.Apply(context.Background(), m.Host, t.Output()); err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(m.Did, "stop "+socket) {
		t.Errorf("%s was not stopped: %q", socket, m.Did)
	}
	if _, err := os.Stat(filepath.Join(m.Root, dict)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s: %v", dict, err)
	}
}

// TestFormerDebian takes away the Postfix of before an upgrade of Debian, and then starts
// the other.
func TestFormerDebian(t *testing.T) {
	m := newMachine(t)
	m.Write("/etc/os-release", "ID=debian\nVERSION_ID=\"13\"\n")
	m.Active[desired.Bookworm.PostfixInstance()] = time.Now()
	todo, err := m.plan(underscore)
	if err != nil {
		t.Fatal(err)
	}
	if err := todo.Apply(context.Background(), m.Host, t.Output()); err != nil {
		t.Fatal(err)
	}
	stopped := slices.Index(m.Did, "stop "+desired.Bookworm.PostfixInstance())
	started := slices.IndexFunc(m.Did, func(did string) bool { return strings.HasSuffix(did, "start "+desired.Postfix) })
	if stopped < 0 || started < stopped {
		t.Errorf("want the former Postfix stopped before the other is started: %q", m.Did)
	}
}

// TestBrokenAppVersions: run refuses a file that cannot be announced, and names it
// and what is wrong.
func TestBrokenAppVersions(t *testing.T) {
	m := newMachine(t)
	const text = underscore + "appversions_file = \"/etc/chatmail/appversions.json\"\n"
	if _, err := m.plan(text); err == nil || !strings.Contains(err.Error(), "appversions_file: ") || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("without a file: %v", err)
	}
	m.Write("/etc/chatmail/appversions.json", "{\n}}")
	if _, err := m.plan(text); err == nil || !strings.Contains(err.Error(), "/etc/chatmail/appversions.json: something follows the JSON object") {
		t.Errorf("with a broken one: %v", err)
	}
}
