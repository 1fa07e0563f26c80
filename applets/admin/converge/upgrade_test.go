package converge

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chatmaild/applets/admin/desired"
	"chatmaild/applets/admin/host/hosttest"
)

// startRelay is a machine that run has made a relay.
func startRelay(t *testing.T) *fakeMachine {
	t.Helper()
	m := newMachine(t)
	if _, err := m.apply(underscore); err != nil {
		t.Fatal(err)
	}
	return m
}

// apply does what a plan says, and returns what it shows.
func (m *fakeMachine) apply(text string, may ...func(*Plan) error) (shown string, err error) {
	m.T.Helper()
	todo, err := m.plan(text)
	if err != nil {
		m.T.Fatal(err)
	}
	var out bytes.Buffer
	todo.Show(&out)
	for _, allows := range may {
		if err := allows(todo); err != nil {
			return out.String(), err
		}
	}
	return out.String(), todo.Apply(m.T.Context(), m.Host, m.T.Output())
}

// TestUpgradeOfEditedFiles holds which changes by hand an upgrade leaves alone. Another key
// of the configuration stands for the new version.
func TestUpgradeOfEditedFiles(t *testing.T) {
	const (
		noIPv6 = underscore + "disable_ipv6 = true\n"
		v4Only = "\ninet_protocols = ipv4\n"
		edit   = "\n# by hand\n"
	)
	for _, tt := range []struct {
		name    string
		edits   []string // files that the operator adds a line to
		change  func(*fakeMachine)
		applied bool
		said    string // in the error, or in the output
	}{
		{name: "nothing edited", applied: true, said: "+inet_protocols = ipv4"},
		{name: "a file that changes", edits: []string{desired.PostfixMain}, said: desired.PostfixMain},
		{name: "another file", edits: []string{"/etc/nginx/nginx.conf"}, said: "/etc/nginx/nginx.conf"},
		{name: "two files", edits: []string{desired.PostfixMain, "/etc/nginx/nginx.conf"}, said: desired.PostfixMain + ", /etc/nginx/nginx.conf"},
		{name: "what is not ours", edits: []string{"/etc/postfix/relay.cf"}, applied: true},
		{name: "what no server accepts now", edits: []string{"/etc/dovecot/dovecot.conf"}, applied: true, said: "dovecot.conf was edited by hand",
			change: func(m *fakeMachine) { refuseUntilWritten(m, "/etc/dovecot/dovecot.conf", edit) }},
		{name: "a version that kept no record", edits: []string{desired.PostfixMain}, applied: true,
			change: func(m *fakeMachine) { remove(m, desired.Record) }},
		{name: "a file that was deleted", applied: true, said: "/etc/nginx/nginx.conf",
			change: func(m *fakeMachine) { remove(m, "/etc/nginx/nginx.conf") }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := startRelay(t)
			for _, path := range tt.edits {
				text, err := m.ReadFile(path)
				if err != nil && !os.IsNotExist(err) {
					t.Fatal(err)
				}
				m.Write(path, string(text)+edit)
			}
			if tt.change != nil {
				tt.change(m)
			}
			before := m.Everything()
			said, err := m.apply(noIPv6, func(todo *Plan) error { return managed(t.Context(), m.Host, todo) })
			text, readErr := m.ReadFile(desired.PostfixMain)
			if readErr != nil {
				t.Fatal(readErr)
			}
			if applied := strings.Contains(string(text), v4Only); applied != tt.applied {
				t.Errorf("applied: %v, want %v; %v", applied, tt.applied, err)
			}
			if err != nil {
				said += err.Error()
			}
			if (err == nil) != tt.applied || !strings.Contains(said, tt.said) {
				t.Errorf("got %v, want %q in:\n%s", err, tt.said, said)
			}
			if !tt.applied && !maps.Equal(m.Everything(), before) {
				t.Error("the machine has changed")
			}
		})
	}
}

// refuseUntilWritten has Dovecot reject its configuration as long as a line is in it.
func refuseUntilWritten(m *fakeMachine, path, line string) {
	run := m.Command
	m.Command = func(ctx context.Context, name string, args ...string) (string, error) {
		text, err := m.ReadFile(path)
		if err == nil && strings.HasSuffix(name, "/doveconf") && strings.Contains(string(text), line) {
			return "", errors.New("exit status 89: Unknown setting")
		}
		return run(ctx, name, args...)
	}
}

func remove(m *fakeMachine, path string) {
	if err := os.Remove(filepath.Join(m.Root, path)); err != nil {
		m.T.Fatal(err)
	}
}

// TestRecord has what run writes be what is recorded, and nothing of keys.
func TestRecord(t *testing.T) {
	m := startRelay(t)
	r, err := readRecord(m.Tree)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range r {
		if text, err := m.ReadFile(path); err != nil || sum(text) != want {
			t.Errorf("%s: got %s, %v, want %s", path, sum(text), err, want)
		}
	}
	for _, path := range []string{desired.PostfixMain, "/etc/dovecot/dovecot.conf", "/etc/nginx/nginx.conf"} {
		if r[path] == "" {
			t.Errorf("%s is not recorded", path)
		}
	}
	for path := range r {
		if strings.HasPrefix(path, desired.TLSDir) || strings.HasSuffix(path, ".private") {
			t.Errorf("%s is recorded", path)
		}
	}

	// The pages alone replace only their own lines.
	p := m.planner(underscore)
	p.Version = "2"
	todo, err := p.Website()
	if err == nil {
		err = todo.Apply(t.Context(), m.Host, t.Output())
	}
	if err != nil {
		t.Fatal(err)
	}
	again, err := readRecord(m.Tree)
	if err != nil || len(again) != len(r) || maps.Equal(again, r) {
		t.Errorf("after the pages: got %d lines, %v, want %d, of which some differ", len(again), err, len(r))
	}
	if again[desired.PostfixMain] != r[desired.PostfixMain] {
		t.Error("the pages alone changed the line of Postfix")
	}
}

// TestRuns holds that an upgrade leaves a relay stopped whose operator has stopped it.
func TestRuns(t *testing.T) {
	m := startRelay(t)
	want := func(want bool) {
		t.Helper()
		if got, err := runs(t.Context(), m.Host); err != nil || got != want {
			t.Errorf("got %v, %v, want %v", got, err, want)
		}
	}
	want(true)
	delete(m.Enabled, desired.Postfix)
	want(false)
	m.Enabled[desired.Postfix] = true
	delete(m.Active, desired.Target)
	want(false)
}

func TestReadRecord(t *testing.T) {
	good := strings.Repeat("0", 64) + "  /etc/x\n"
	for _, tt := range []struct {
		text string
		ok   bool
	}{{"", true}, {good, true}, {good + good, true}, {good + "\n", false}, {"0  /etc/x\n", false}, {good[:64], false}} {
		m := hosttest.New(t)
		m.Write(desired.Record, tt.text)
		if _, err := readRecord(m.Tree); (err == nil) != tt.ok {
			t.Errorf("%q: got %v", tt.text, err)
		}
	}
}
