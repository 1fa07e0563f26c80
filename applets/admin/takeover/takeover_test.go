package takeover

import (
	"context"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"chatmaild/applets/admin/desired"
	"chatmaild/applets/admin/takeover/journal"
	"chatmaild/applets/admin/takeover/pythonrelay"
	"chatmaild/applets/config"
	"chatmaild/push"
)

func TestImportDryRunChangesNothing(t *testing.T) {
	m := newOldRelay(t)
	m.Write(oldBoxes+"/echo@"+oldDomain+"/new/1", "to a bot whose password is elsewhere")
	m.Write(oldBoxes+"/blocked@"+oldDomain+"/password", "DISABLED")
	m.Write(oldBoxes+"/two..dots@"+oldDomain+"/password", oldPassword)
	before := m.Everything()
	im, out := m.importer(options{dryRun: true})
	if err := im.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if after := m.Everything(); !maps.Equal(before, after) || len(m.Did) > 0 {
		t.Errorf("files changed, or units: %q", m.Did)
	}
	for _, part := range []string{
		"unknown  tpyo", "taken    max_load_1m", "3 accounts stay", "2 SHA512-CRYPT", "1 are blocked", "1 mailboxes have names", "1 refuse cleartext; 1 have push tokens",
		"doveauth.service", "/etc/cron.d/acmetool", "edited  /etc/sysctl.conf", "moved   /usr/local/bin/mtail", "stays   /etc/resolv.conf", "user iroh: stays", "replace /etc/postfix/main.cf", "1 pages of your own", pythonrelay.SelfKey,
	} {
		if !strings.Contains(out.String(), part) {
			t.Errorf("want %q in\n%s", part, out)
		}
	}
	if strings.Contains(out.String(), "have no password file") {
		t.Errorf("the echo bot counts as a user:\n%s", out)
	}
}

func TestImportAndUndo(t *testing.T) {
	m := newOldRelay(t)
	m.Write(oldBoxes+"/echo@"+oldDomain+"/password", "{SHA512-CRYPT}$6$of$another")
	before := m.Everything()
	im, out := m.importer(options{})
	if err := im.run(t.Context()); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	conf, err := config.Load(filepath.Join(m.Root, config.DefaultPath))
	if err != nil || conf.MailDomain != oldDomain || conf.MaxLoad1m != 9 || conf.WWWFolder != importPages {
		t.Fatalf("got the configuration %+v, %v", conf, err)
	}
	if got, want := m.read(desired.TLSDir+"/privkey.pem"), m.read(pythonrelay.SelfKey); got != want {
		t.Error("the TLS key is another one")
	}
	if !strings.Contains(m.read("/etc/postfix/main.cf"), "chatmaild run") || !strings.Contains(m.read(desired.WebRoot+"/index.html"), "Ours") {
		t.Error("chatmaild run has not written its files")
	}
	masked := m.links("/dev/null")
	for _, u := range pythonrelay.Units {
		if !slices.Contains(masked, u.Name) {
			t.Errorf("%s is not masked", u.Name)
		}
		if _, active := m.Active[u.Name]; active || m.Enabled[u.Name] {
			t.Errorf("%s runs, or would after a reboot", u.Name)
		}
	}
	for _, f := range pythonrelay.Files {
		name := strings.ReplaceAll(f.Path, "*", "x")
		is := "there"
		if there, _ := m.Exists(name); !there {
			is = "moved"
		} else if was, file := before[filepath.Join(m.Root, name)]; file && m.read(name) != was {
			is = "another"
		}
		want := map[pythonrelay.FileFate]string{
			pythonrelay.Stays: "there", pythonrelay.Replaced: "another", pythonrelay.Moved: "moved", pythonrelay.Edited: "another",
		}[f.Fate]
		if is != want {
			t.Errorf("%s is %s, want %s: it is %v", name, is, want, f.Fate)
		}
	}
	if got := m.read("/etc/sysctl.conf"); got != "kernel.x = 1\n" {
		t.Errorf("sysctl.conf is %q", got)
	}

	// Another import finds nothing to do.
	m.Did = nil
	im, out = m.importer(options{})
	if err := im.run(t.Context()); err != nil || len(m.Did) > 0 || !strings.Contains(out.String(), "nothing to do") {
		t.Errorf("again: %v, %q\n%s", err, m.Did, out)
	}

	// What chatmaild run writes later is put back as well.
	m.Write("/etc/dovecot/dovecot.conf", "# a later one\n")
	m.register(conf, "a2@"+oldDomain, "openpgp:new")
	im, out = m.importer(options{undo: true})
	if err := im.run(t.Context()); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for name, text := range before {
		path := strings.TrimPrefix(name, m.Root)
		if path == "/proc/net/tcp" {
			continue
		}
		if got := m.read(path); got != text {
			t.Errorf("%s is %q after the undo, was %q", path, got, text)
		}
	}
	if got := m.links("/dev/null"); len(got) > 0 {
		t.Errorf("still masked: %q", got)
	}
	for _, unit := range []string{"doveauth.service", "filtermail.service", "chatmail-expire.timer", "postfix.service", "dovecot.service"} {
		if _, active := m.Active[unit]; !active || !m.Enabled[unit] {
			t.Errorf("%s is not back", unit)
		}
	}
	if m.Enabled[desired.Target] {
		t.Error("chatmaild would start after a reboot")
	}
	for _, name := range []string{config.DefaultPath, importDir, conf.MetadataDB(), desired.TLSDir} {
		if there, _ := m.Exists(name); there {
			t.Errorf("%s is still there", name)
		}
	}
	tokens, err := push.DecodeLegacy([]byte(m.read(oldBoxes+"/a2@"+oldDomain+"/metadata.json")), time.Now())
	if err != nil || len(tokens) != 1 || tokens[0].Text != "openpgp:new" {
		t.Errorf("the token that came meanwhile: %v, %v", tokens, err)
	}

	// And once more: an undo leaves nothing in the way.
	im, out = m.importer(options{})
	if err := im.run(t.Context()); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if _, err := config.Load(filepath.Join(m.Root, config.DefaultPath)); err != nil {
		t.Error(err)
	}
}

// TestImportResumes breaks the takeover off after each of its steps, and after each
// systemctl call in them, and continues or goes back.
func TestImportResumes(t *testing.T) {
	whole := newOldRelay(t)
	im, _ := whole.importer(options{})
	if err := im.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	for at := range len(whole.Did) {
		if at%7 != 0 { // they are many, and alike
			continue
		}
		for _, undo := range []bool{false, true} {
			m := newOldRelay(t)
			before := m.Everything()
			im, _ := m.importer(options{})
			crash(im, at)
			if j, err := journal.Read(m.ReadFile); err != nil || j == nil || j.Next() == "" && !j.Undoing {
				t.Errorf("interrupted at %d: the journal is %+v, %v, want that it says so", at, j, err)
			}
			im, out := m.importer(options{undo: undo})
			if err := im.run(t.Context()); err != nil {
				t.Fatalf("interrupted at %d (%s), undo %v: %v\n%s", at, whole.Did[at], undo, err, out)
			}
			if masked := m.links("/dev/null"); (len(masked) == len(pythonrelay.Units)) == undo || undo && len(masked) > 0 {
				t.Errorf("interrupted at %d, undo %v: masked are %q", at, undo, masked)
			}
			if _, active := m.Active["doveauth.service"]; active != undo {
				t.Errorf("interrupted at %d, undo %v: doveauth.service runs: %v", at, undo, active)
			}
			if undo {
				for name, text := range before {
					if path := strings.TrimPrefix(name, m.Root); path != "/proc/net/tcp" && m.read(path) != text {
						t.Errorf("interrupted at %d: %s is another", at, path)
					}
				}
			}
		}
	}
}

// crash runs the command until its systemctl call number at, and then pulls the plug:
// nothing that it does after that counts.
func crash(im *importer, at int) {
	type plug struct{}
	defer func() {
		if r := recover(); r != nil && r != (plug{}) {
			panic(r)
		}
	}()
	run, calls := im.machine.Command, 0
	im.machine.Command = func(ctx context.Context, name string, args ...string) (string, error) {
		if name == "systemctl" && args[0] != "show" {
			if calls == at {
				panic(plug{})
			}
			calls++
		}
		return run(ctx, name, args...)
	}
	im.source = im.machine.Tree
	_ = im.run(context.Background())
}

// TestImportFailureBringsTheOldBack: once mail is off, there is one relay or the other.
func TestImportFailureBringsTheOldBack(t *testing.T) {
	m := newOldRelay(t)
	m.Refuse = "doveconf"
	before := m.Everything()
	im, out := m.importer(options{})
	err := im.run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "Dovecot rejects its configuration") {
		t.Fatalf("got %v\n%s", err, out)
	}
	for name, text := range before {
		if got := m.read(strings.TrimPrefix(name, m.Root)); got != text {
			t.Errorf("%s is %q, was %q", name, got, text)
		}
	}
	for _, unit := range []string{"doveauth.service", "filtermail.service", "postfix.service", "dovecot.service"} {
		if _, active := m.Active[unit]; !active {
			t.Errorf("%s is not back", unit)
		}
	}
}

func TestImportRefuses(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*fakeMachine)
		opts   options
		want   string
	}{
		{"no relay", func(m *fakeMachine) { m.remove(pythonrelay.INI) }, options{}, "finding the Python relay"},
		{"bad ini", func(m *fakeMachine) { m.Write(pythonrelay.INI, "mail_domain") }, options{}, pythonrelay.INI + ": line 1"},
		{"a config", func(m *fakeMachine) { m.Write(config.DefaultPath, "mail_domain = \"x.example\"") }, options{}, "there is a configuration already"},
		{"no mailboxes", func(m *fakeMachine) { m.remove(oldBoxes) }, options{}, "there are no mailboxes"},
		{"old passwords", func(m *fakeMachine) { m.Write(pythonrelay.OldPasswords, "SQLite") }, options{}, "passwords are still in"},
		{"no DKIM key", func(m *fakeMachine) { m.remove("/etc/dkimkeys/opendkim.private") }, options{}, "the DKIM key"},
		{"nothing to undo", func(*fakeMachine) {}, options{undo: true}, "nothing to undo"},
		{"a damaged journal", func(m *fakeMachine) { m.Write(importJournal, "{") }, options{}, importJournal},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := newOldRelay(t)
			tt.change(m)
			before := m.Everything()
			im, _ := m.importer(tt.opts)
			if err := im.run(t.Context()); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
			if len(m.Did) > 0 || !maps.Equal(before, m.Everything()) {
				t.Errorf("something changed; units: %q", m.Did)
			}
		})
	}
}

// TestImportNotifies holds that what waited in the old queue is handed on, once.
func TestImportNotifies(t *testing.T) {
	m := newOldRelay(t)
	fresh := pythonrelay.Notification{Account: "a1@" + oldDomain, Since: time.Now().Add(-time.Minute), Token: "openpgp:old"}
	stale := pythonrelay.Notification{Account: "a2@" + oldDomain, Since: time.Now().Add(-24 * time.Hour), Token: "openpgp:x"}
	for name, text := range map[string]string{"1": string(fresh.Encode()), "2": string(fresh.Encode()), "3": string(stale.Encode()), "4.tmp": "half"} {
		m.Write(oldBoxes+"/"+pythonrelay.Pending+"/"+name, text)
	}
	told := m.fakeMetadata()
	im, out := m.importer(options{})
	if err := im.run(t.Context()); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if got := told(); !slices.Equal(got, []string{"a1@" + oldDomain}) {
		t.Errorf("notified were %q", got)
	}
	if names, err := m.Names(oldBoxes + "/" + pythonrelay.Pending); err != nil || len(names) > 0 {
		t.Errorf("the old relay would notify again: %q, %v", names, err)
	}
}
