package cluster

import (
	"slices"
	"strings"
	"testing"
	"time"

	"chatmaild/applets/admin/desired"
	"chatmaild/applets/admin/host/hosttest"
	"chatmaild/applets/admin/membership"
	"chatmaild/applets/config"
)

// following is machine b, which follows what is set on all.
func following(t *testing.T) (follower, *hosttest.Machine) {
	t.Helper()
	m := hosttest.New(t)
	conf, err := config.Parse("test.toml", "mail_domain = \"chat.example\"\n[cluster]\nname = \"b\"\nmembers = [\"a 10.7.0.1\", \"b 10.7.0.2\"]\n")
	if err != nil {
		t.Fatal(err)
	}
	return follower{&cluster{conf: conf, machine: m.Host}}, m
}

// TestFollowDoor: new accounts are stopped and allowed as on all machines, and a file that is
// this machine's own stays.
func TestFollowDoor(t *testing.T) {
	const none = "none"
	for _, tt := range []struct{ file, setting, want string }{
		{none, "", none},
		{none, "on", membership.Shut},
		{membership.Shut, "on", membership.Shut},
		{membership.Shut, "", none},
		{"ours", "", "ours"},
		{"", "", ""},
		{"ours", "on", "ours"},
	} {
		c, m := following(t)
		if tt.file != none {
			m.Write(c.conf.NocreateFile, tt.file)
		}
		if err := c.door(map[string]string{membership.NoCreate: tt.setting}); err != nil {
			t.Fatal(err)
		}
		got := none
		if text, err := c.machine.ReadFile(c.conf.NocreateFile); err == nil {
			got = string(text)
		}
		if got != tt.want {
			t.Errorf("%q, while it is %q: got %q, want %q", tt.file, tt.setting, got, tt.want)
		}
	}
}

// TestFollowMail: destinations are held and discarded as on all machines, and lines of an
// operator stay.
func TestFollowMail(t *testing.T) {
	c, m := following(t)
	m.Active[desired.Bookworm.PostfixInstance()] = time.Now()
	const others = "own.test\tsmtp:[192.0.2.9]\n"
	m.Write(desired.TransportMap, others)
	for _, tt := range []struct {
		settings map[string]string
		want     []string
		reloads  int
	}{
		{map[string]string{}, nil, 0},
		{map[string]string{"mail a.test": "hold", "nocreate": "on"}, []string{"a.test\tretry:"}, 1},
		{map[string]string{"mail a.test": "hold"}, []string{"a.test\tretry:"}, 1},
		{map[string]string{"mail b.test": "discard"}, []string{"b.test\tdiscard:"}, 2},
		{map[string]string{}, nil, 3},
	} {
		if err := c.mail(t.Context(), tt.settings); err != nil {
			t.Fatal(err)
		}
		text, err := c.machine.ReadFile(desired.TransportMap)
		if err != nil {
			t.Fatal(err)
		}
		lines := slices.Collect(strings.Lines(strings.TrimPrefix(string(text), others)))
		if len(lines) != len(tt.want) || len(lines) == 1 && !strings.HasPrefix(lines[0], tt.want[0]) {
			t.Errorf("%v: got %q", tt.settings, text)
		}
		if n := len(m.Did); n != tt.reloads {
			t.Errorf("%v: %d reloads, want %d: %q", tt.settings, n, tt.reloads, m.Did)
		}
	}
	if err := c.mail(t.Context(), map[string]string{"mail own.test": "hold"}); err == nil || !strings.Contains(err.Error(), "own.test") {
		t.Errorf("a destination with a transport of its own: %v", err)
	}
}
