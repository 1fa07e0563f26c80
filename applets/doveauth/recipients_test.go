package doveauth

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chatmaild/applets/config"
	"chatmaild/packaging"
)

func TestRecipients(t *testing.T) {
	f := newAccountFixture(t)
	r := &recipients{f.accounts, f.handler.log}
	f.login(t, "abcdefghi@chat.example", "password1")
	f.login(t, "nopasswrd@chat.example", "password1")
	if err := os.Remove(filepath.Join(f.cfg.MailboxesDir, "nopasswrd@chat.example", "password")); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		key  string
		want bool
	}{
		{"abcdefghi@chat.example", true},
		{"ABCdefghi@Chat.Example", true},
		{"abcdefghi+detail@chat.example", true},
		{"abcdefghi+a+b@chat.example", true},
		{"+detail@chat.example", false},
		{"nopasswrd@chat.example", false},
		{"neverseen@chat.example", false},
		{"abcdefghi@elsewhere.example", false},
		{"abcdefghi", false},
		{"postmaster", false},
		{"@chat.example", false},
		{"../abcdefghi@chat.example", false},
		{"", false},
	} {
		_, got, err := r.Lookup(context.Background(), "recipients", tt.key)
		if got != tt.want || err != nil {
			t.Errorf("%q: got %t, %v; want %t", tt.key, got, err, tt.want)
		}
		// What Postfix is told is what Dovecot is told later, when it delivers.
		if _, found := f.user(t, withoutDetail(tt.key)); found != got {
			t.Errorf("%q: Postfix is told %t, Dovecot %t", tt.key, got, found)
		}
	}
	if _, _, err := r.Lookup(context.Background(), "aliases", "abcdefghi@chat.example"); err == nil {
		t.Error("another table has no error")
	}
}

// A fault is no answer, and tells nobody's address.
func TestRecipientsFault(t *testing.T) {
	f := newAccountFixture(t)
	r := &recipients{f.accounts, f.handler.log}
	if err := os.MkdirAll(filepath.Join(f.cfg.MailboxesDir, "abcdefghi@chat.example", "password"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, found, err := r.Lookup(context.Background(), "recipients", "abcdefghi@chat.example"); found || err != errTemporary {
		t.Errorf("a password file that is a folder: %t, %v", found, err)
	}
	if log := f.log.String(); !strings.Contains(log, "is a directory") || strings.Contains(log, "abcdefghi@") {
		t.Errorf("the log: %s", log)
	}
}

// What Postfix is configured to ask is what we answer, where systemd listens for it.
func TestPostfixAsksForOurTable(t *testing.T) {
	text, err := packaging.Templates.ReadFile("postfix/main.cf.tmpl")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`local_recipient_maps = proxy:socketmap:unix:{{.Socket "recipients"}}:recipients`,
		"recipient_delimiter = " + recipientDelimiter,
	} {
		if !strings.Contains(string(text), "\n"+want+"\n") {
			t.Errorf("main.cf.tmpl does not say %q", want)
		}
	}
	unit, err := os.ReadFile(filepath.Join("..", "..", "packaging", "systemd", "chatmaild-recipients.socket"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"Service=chatmaild-doveauth.service", "ListenStream=" + config.Defaults().Socket("recipients"),
		"FileDescriptorName=recipients", "SocketGroup=postfix",
	} {
		if !strings.Contains(string(unit), "\n"+want+"\n") {
			t.Errorf("chatmaild-recipients.socket: want the line %s", want)
		}
	}
}
