package membership

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"chatmaild/applets/admin/desired"
	"chatmaild/applets/admin/host/hosttest"
	"chatmaild/applets/config"
)

var a, b = config.Member{Name: "a", Addr: netip.MustParseAddr("10.7.0.1")}, config.Member{Name: "b", Addr: netip.MustParseAddr("fd07::2")}

// TestAmong finds this machine's address beside those of the others.
func TestAmong(t *testing.T) {
	for _, tt := range []struct{ networks, want string }{
		{"127.0.0.1/8 192.0.2.4/24 10.7.0.4/24", "10.7.0.4"},
		{"10.7.0.4/24 10.7.0.4/24", "10.7.0.4"},
		{"fd07::4/64 2001:db8::4/64", "fd07::4"},
		{"192.0.2.4/24", "no interface"},
		{"10.7.0.4/24 fd07::4/64", "are both in networks"},
		{"10.7.0.1/24", "no interface"}, // it is a itself
	} {
		var networks []netip.Prefix
		for _, n := range strings.Fields(tt.networks) {
			networks = append(networks, netip.MustParsePrefix(n))
		}
		got, err := among(networks, []config.Member{a, b})
		said := got.String()
		if err != nil {
			said = err.Error()
		}
		if !strings.Contains(said, tt.want) {
			t.Errorf("%s: got %s, want %s", tt.networks, said, tt.want)
		}
	}
}

// TestBundle: a machine offers what others need, with owners and modes, and none accepts
// what no relay has.
func TestBundle(t *testing.T) {
	m := hosttest.Relay(t)
	m.Write(config.DirectoryPassword, "*:*:*:*:secret\n")
	m.Write(desired.DKIMDir+"/opendkim.private", "key")
	files, err := Files(m.Conf(), m.Host)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{config.DirectoryPassword, desired.DKIMDir + "/opendkim.private"} {
		if !slices.ContainsFunc(files, func(f desired.File) bool { return f.Path == want && len(f.Content) > 0 && f.Owner != "" && f.Mode != 0 }) {
			t.Errorf("%s is missing", want)
		}
	}
	if err := Accept(m.Conf(), files); err != nil {
		t.Error(err)
	}
	for _, path := range []string{"/etc/shadow", desired.DKIMDir + "/../shadow.private", "etc/dkimkeys/x.private", desired.DKIMDir + "/x/y.private"} {
		if err := Accept(m.Conf(), append(files, desired.File{Path: path})); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// TestUnapplied: a run that was cut off, after the list has changed in the configuration, is done
// by the next one to follow.
func TestUnapplied(t *testing.T) {
	m := hosttest.New(t)
	env, _, _ := m.Env()
	env.ConfigPath = filepath.Join(t.TempDir(), "chatmail.toml")
	const text = "mail_domain = \"_x.test\"\n[cluster]\nname = \"a\"\nmembers = [\"a 10.7.0.1\", \"b fd07::2\"]\n"
	if err := os.WriteFile(env.ConfigPath, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	conf, err := env.Config()
	if err != nil {
		t.Fatal(err)
	}
	m.Write(program, "#!/bin/sh\necho $1 >>"+m.Root+"/ran\ntest -e "+m.Root+"/works\n")
	if err := os.Chmod(filepath.Join(m.Root, program), 0o755); err != nil {
		t.Fatal(err)
	}
	mark := filepath.Join(conf.StateDir, unapplied)
	h := &Here{Env: env, Conf: conf, Machine: m.Host}
	for _, step := range []struct {
		before string // a file
		fails  bool
		ran    string
		left   bool
	}{
		{"", false, "", false},
		{mark, true, "run\n", true},
		{"/works", false, "run\nrun\n", false},
		{"", false, "run\nrun\n", false},
	} {
		if step.before != "" {
			m.Write(step.before, "")
		}
		if err := h.follow(t.Context(), []config.Member{b, a}); (err != nil) != step.fails {
			t.Errorf("%+v: %v", step, err)
		}
		ran, _ := os.ReadFile(filepath.Join(m.Root, "ran"))
		if left, err := m.Exists(mark); string(ran) != step.ran || left != step.left || err != nil {
			t.Errorf("%+v: ran %q, left %t, %v", step, ran, left, err)
		}
	}
}

// TestUnread: a command is not ended by its output, when that has no reader any more.
func TestUnread(t *testing.T) {
	m := hosttest.New(t)
	env, _, _ := m.Env()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	r.Close()
	env.Stderr = w
	m.Write(program, "#!/bin/sh\necho one >&2\necho two >&2\ntouch "+m.Root+"/done\n")
	if err := os.Chmod(filepath.Join(m.Root, program), 0o755); err != nil {
		t.Fatal(err)
	}
	h := &Here{Env: env, Machine: m.Host}
	if err := h.Run(t.Context(), "run"); err != nil {
		t.Error(err)
	}
	if done, err := m.Exists("/done"); !done || err != nil {
		t.Errorf("it was ended: %v", err)
	}
}
