package user

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chatmaild/applets/command"
	"chatmaild/applets/config"
	"chatmaild/auth/mailaddr"
	"chatmaild/store/directory/files"
	"chatmaild/store/maildir"
)

// fakeSessions notes whose sessions were ended.
type fakeSessions struct{ ended []string }

func (f *fakeSessions) end(_ context.Context, addr mailaddr.Address) error {
	f.ended = append(f.ended, addr.Local())
	return nil
}

// relay is a relay's directory, with the commands that work on it.
type relay struct {
	t        *testing.T
	path     string // of the configuration
	cfg      *config.Config
	sessions *fakeSessions
	stdin    string
}

func newRelay(t *testing.T) *relay {
	t.Helper()
	dir := t.TempDir()
	r := &relay{t: t, path: filepath.Join(dir, "chatmail.toml"), sessions: &fakeSessions{}}
	text := fmt.Sprintf("mail_domain = \"chat.example\"\nmailboxes_dir = \"%[1]s/mail\"\nstate_dir = \"%[1]s\"\nruntime_dir = \"%[1]s/run\"\nnocreate_file = \"%[1]s/nocreate\"\n", dir)
	if err := os.WriteFile(r.path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(r.path)
	if err != nil {
		t.Fatal(err)
	}
	r.cfg = cfg
	if err := os.Mkdir(cfg.MailboxesDir, 0o700); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *relay) env() (*command.Env, *bytes.Buffer, *bytes.Buffer) {
	var out, errs bytes.Buffer
	return &command.Env{
		Stdin: strings.NewReader(r.stdin), Stdout: &out, Stderr: &errs,
		Getenv: func(string) string { return "" }, ConfigPath: r.path,
	}, &out, &errs
}

// user runs "chatmaild user" with args; "--json" and "--stdin" may be among them.
func (r *relay) user(args ...string) (string, error) {
	r.t.Helper()
	env, out, _ := r.env()
	u := users{
		env: env, cfg: r.cfg, sessions: r.sessions,
		now:       func() time.Time { return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) },
		mailboxes: maildir.New(r.cfg.MailboxesDir, r.cfg.AddressDomain()),
	}
	u.accounts = files.New(u.mailboxes, u.now)
	var positional []string
	for _, a := range args {
		switch a {
		case "--json":
			u.json = true
		case "--stdin":
			u.stdin = true
		default:
			positional = append(positional, a)
		}
	}
	err := u.run(context.Background(), positional)
	return out.String(), err
}

func (r *relay) must(args ...string) string {
	r.t.Helper()
	out, err := r.user(args...)
	if err != nil {
		r.t.Fatalf("user %q: %v", args, err)
	}
	return out
}

func (r *relay) stored(name string) string {
	text, err := os.ReadFile(filepath.Join(r.cfg.MailboxesDir, name+"@chat.example", "password"))
	if err != nil {
		r.t.Fatal(err)
	}
	return string(text)
}

func TestUserCommands(t *testing.T) {
	r := newRelay(t)
	r.stdin = "chosen password\n"
	if got, want := r.must("create", "postmaster", "--stdin"), "postmaster@chat.example  chosen password\n"; got != want {
		t.Errorf("create: %q, want %q", got, want)
	}
	var made credentials
	if err := json.Unmarshal([]byte(r.must("create", "alice@chat.example", "--json")), &made); err != nil || made.Email != "alice@chat.example" || len(made.Password) < 20 {
		t.Errorf("create --json: %+v, %v", made, err)
	}
	first := r.stored("alice")
	want := "ADDRESS                  LAST LOGIN  STATE\n" +
		"alice@chat.example       2026-11-22  ok\n" +
		"postmaster@chat.example  2026-11-22  ok\n"
	if got := r.must("list"); got != want {
		t.Errorf("list:\n%swant:\n%s", got, want)
	}

	r.must("block", "alice", "postmaster")
	if got := r.stored("alice"); got != "!"+first {
		t.Errorf("blocked, stored is %q", got)
	}
	r.must("block", "alice")
	// A blocked user gets a new password and stays blocked.
	r.must("password", "alice")
	if got := r.stored("alice"); !strings.HasPrefix(got, "!{BLF-CRYPT}") || got == "!"+first {
		t.Errorf("with a new password, stored is %q", got)
	}
	var list []state
	if err := json.Unmarshal([]byte(r.must("list", "--json")), &list); err != nil || len(list) != 2 || list[0] != (state{"alice@chat.example", "2026-11-22", "blocked", ""}) {
		t.Errorf("list --json: %+v, %v", list, err)
	}
	r.must("unblock", "alice")
	if got := r.stored("alice"); !strings.HasPrefix(got, "{BLF-CRYPT}") {
		t.Errorf("unblocked, stored is %q", got)
	}

	home := filepath.Join(r.cfg.MailboxesDir, "alice@chat.example")
	if err := os.MkdirAll(filepath.Join(home, "cur"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, "cur", "1.x"), []byte("12345"), 0o600); err != nil {
		t.Fatal(err)
	}
	var shown details
	if err := json.Unmarshal([]byte(r.must("show", "alice", "--json")), &shown); err != nil {
		t.Fatal(err)
	}
	size := int64(5 + len(r.stored("alice")))
	if shown != (details{state{"alice@chat.example", "2026-11-22", "ok", ""}, "BLF-CRYPT", home, 1, size, true}) {
		t.Errorf("show: %+v", shown)
	}

	r.sessions.ended = nil
	r.must("delete", "alice")
	if _, err := os.Stat(home); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the mailbox is still there: %v", err)
	}
	if got := fmt.Sprint(r.sessions.ended); got != "[alice]" {
		t.Errorf("sessions ended: %s", got)
	}
	// A mailbox that lost its password can be deleted as well.
	if err := os.Remove(filepath.Join(r.cfg.MailboxesDir, "postmaster@chat.example", "password")); err != nil {
		t.Fatal(err)
	}
	r.must("delete", "postmaster")
	if got := r.must("list", "--json"); got != "[]\n" {
		t.Errorf("list of nobody: %q", got)
	}
}

// TestUnblockWithoutPassword: an import may bring accounts with nothing behind the block.
func TestUnblockWithoutPassword(t *testing.T) {
	r := newRelay(t)
	r.must("create", "alice")
	if err := os.WriteFile(filepath.Join(r.cfg.MailboxesDir, "alice@chat.example", "password"), []byte("!DISABLED"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := r.must("list"); !strings.Contains(got, "  blocked\n") {
		t.Errorf("list:\n%s", got)
	}
	if out, err := r.user("unblock", "alice"); err == nil || !strings.Contains(err.Error(), "the account has no password") || out != "" {
		t.Errorf("unblock without a password: %q, %v", out, err)
	}
	if got := r.stored("alice"); got != "!DISABLED" {
		t.Errorf("stored is %q", got)
	}
	r.must("password", "alice")
	r.must("unblock", "alice")
	if got := r.must("list"); !strings.Contains(got, "  ok\n") {
		t.Errorf("list:\n%s", got)
	}
}

func TestUserMistakes(t *testing.T) {
	r := newRelay(t)
	r.must("create", "alice")
	before := r.stored("alice")
	for _, tt := range []struct {
		args  string
		stdin string
		want  int
	}{
		{"", "", command.StatusUsage},
		{"frobnicate alice", "", command.StatusUsage},
		{"list alice", "", command.StatusUsage},
		{"show", "", command.StatusUsage},
		{"show alice@other.example", "", command.StatusUsage},
		{"delete ../alice", "", command.StatusUsage},
		{"delete nobody", "", command.StatusFailed},
		{"show nobody", "", command.StatusFailed},
		{"block nobody", "", command.StatusFailed},
		{"password nobody", "", command.StatusFailed},
		{"create alice", "", command.StatusFailed},
		{"create bob --stdin", "short\n", command.StatusUsage},
		{"create bob --stdin", strings.Repeat("x", 73), command.StatusUsage},
		{"create bob carol --stdin", "long enough\n", command.StatusUsage},
	} {
		r.stdin = tt.stdin
		out, err := r.user(strings.Fields(tt.args)...)
		if command.Status(err) != tt.want || out != "" {
			t.Errorf("user %s: %q, %v; want status %d", tt.args, out, err, tt.want)
		}
	}
	if after := r.stored("alice"); after != before {
		t.Errorf("a mistake changed %q to %q", before, after)
	}
}
