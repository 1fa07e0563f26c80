package hosttest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chatmaild/applets/command"
	"chatmaild/applets/config"
)

// Mailboxes is how many a Relay has.
const Mailboxes = 30

// Relay is a machine with some mailboxes and a configuration.
func Relay(t *testing.T) *Machine {
	m := New(t)
	m.Write("/etc/chatmail/chatmail.toml", "mail_domain = \"_x.test\"\n")
	m.Write("/etc/dkimkeys/opendkim.private", "key")
	m.Write("/var/lib/chatmaild/metadata/metadata.db", "tokens")
	for i := range Mailboxes {
		home := fmt.Sprintf("/home/vmail/mail/_x.test/user%02d@_x.test/", i)
		m.Write(home+"password", fmt.Sprintf("secret %d", i))
		m.Write(home+"cur/1700000000.M1P1.host:2,S", strings.Repeat("mail", 5000))
		m.Write(home+"tmp/.keep", "")
	}
	return m
}

// Env is the environment of a command on the machine, and what it prints.
func (m *Machine) Env() (env *command.Env, stdout, stderr *bytes.Buffer) {
	var out, report bytes.Buffer
	return &command.Env{
		Stdin: strings.NewReader(""), Stdout: &out, Stderr: &report, Version: "1",
		Getenv: func(string) string { return "" }, ConfigPath: "/etc/chatmail/chatmail.toml",
	}, &out, &report
}

// Conf is the configuration of a Relay.
func (m *Machine) Conf() *config.Config {
	m.T.Helper()
	text, err := os.ReadFile(filepath.Join(m.Root, "/etc/chatmail/chatmail.toml"))
	if err != nil {
		m.T.Fatal(err)
	}
	conf, err := config.Parse("test", string(text))
	if err != nil {
		m.T.Fatal(err)
	}
	return conf
}

// Mail lists mailboxes and state of a machine, with contents.
func (m *Machine) Mail() string {
	m.T.Helper()
	var b strings.Builder
	for _, pattern := range []string{"/home/vmail/mail/_x.test/*/*", "/home/vmail/mail/_x.test/*/cur/*", "/var/lib/chatmaild/*", "/var/lib/chatmaild/*/*", "/etc/dkimkeys/*", "/etc/chatmail/*.toml"} {
		names, err := filepath.Glob(m.Root + pattern)
		if err != nil {
			m.T.Fatal(err)
		}
		for _, name := range names {
			if info, err := os.Stat(name); err != nil || info.IsDir() {
				continue
			}
			text, err := os.ReadFile(name)
			if err != nil {
				m.T.Fatal(err)
			}
			fmt.Fprintf(&b, "%s %d %.20s\n", strings.TrimPrefix(name, m.Root), len(text), text)
		}
	}
	return b.String()
}

// MustRead holds that a file of the machine has that content.
func (m *Machine) MustRead(path, want string) {
	m.T.Helper()
	if got, err := os.ReadFile(filepath.Join(m.Root, path)); err != nil || string(got) != want {
		m.T.Errorf("%s: got %q, %v, want %q", path, got, err, want)
	}
}

// Passphrase is a file with a passphrase, and a line that is not part of it.
func Passphrase(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "passphrase")
	if err := os.WriteFile(name, []byte("correct horse\nnot this\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}
