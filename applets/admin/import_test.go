package admin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"chatmaild/applets/admin/host"
	"chatmaild/applets/admin/takeover"
	"chatmaild/applets/admin/wanted"
	"chatmaild/applets/command"
	"chatmaild/applets/config"
	"chatmaild/applets/keys"
	"chatmaild/auth/dict"
	"chatmaild/push"
	"chatmaild/store"
)

const (
	oldDomain = "_chat.example"
	oldBoxes  = "/home/vmail/mail/" + oldDomain
	oldINI    = "[params]\nmail_domain = " + oldDomain + "\nmax_load_1m = 9\ntpyo = 1\nwww_folder = ../pages\n"
)

// testDKIM is one key for all: making one takes long.
var testDKIM = sync.OnceValues(keys.NewDKIM)

// newOldRelay is a machine on which the Python relay runs, with two accounts.
func newOldRelay(t *testing.T) *fakeMachine {
	t.Helper()
	m := newMachine(t)
	dkim, err := testDKIM()
	if err != nil {
		t.Fatal(err)
	}
	key, err := keys.New()
	if err != nil {
		t.Fatal(err)
	}
	cert, err := keys.SelfSign(oldDomain, key, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		takeover.INI:                                           oldINI,
		"/etc/dkimkeys/opendkim.private":                       string(dkim),
		takeover.SelfSigned:                                    string(cert),
		takeover.SelfKey:                                       string(key),
		"/etc/postfix/main.cf":                                 "# the old main.cf\n",
		"/etc/postfix/login_map":                               "/^(.*)$/ ${1}\n",
		"/etc/dovecot/dovecot.conf":                            "# the old dovecot.conf\n",
		"/etc/nginx/nginx.conf":                                "# the old nginx.conf\n",
		"/etc/cron.d/acmetool":                                 "# renew\n",
		takeover.WWWRoot + "/index.html":                       "<h1>Ours</h1>",
		takeover.WWWRoot + "/.well-known/x":                    "made",
		oldBoxes + "/a1@" + oldDomain + "/password":            "{SHA512-CRYPT}$6$x$y",
		oldBoxes + "/a1@" + oldDomain + "/enforceE2EEincoming": "",
		oldBoxes + "/a1@" + oldDomain + "/metadata.json":       `{"devicetoken": {"openpgp:old": ` + fmt.Sprint(time.Now().Unix()) + `}}`,
		oldBoxes + "/a2@" + oldDomain + "/password":            "{SHA512-CRYPT}$6$x$y",
		oldBoxes + "/a2@" + oldDomain + "/cur/1:2,S":           "a message",
	} {
		m.write(name, text)
	}
	for _, unit := range []string{"doveauth.service", "filtermail.service", "chatmail-expire.timer", "postfix.service", "dovecot.service", "nginx.service"} {
		m.active[unit], m.enabled[unit] = time.Now().Add(-time.Hour), true
	}
	m.write(unitFolder+"/doveauth.service", "[Service]\n")
	for _, unit := range slices.Concat(socketUnits, serviceUnits, []string{wanted.Target}) {
		m.write("/usr/lib/systemd/system/"+unit, "[Unit]\n")
	}
	return m
}

// importer is the command on the machine. Its servers listen once Postfix has started.
func (m *fakeMachine) importer(opts importOptions) (*importer, *bytes.Buffer) {
	m.t.Helper()
	if opts.ini == "" {
		opts.ini = takeover.INI
	}
	var out bytes.Buffer
	env := &command.Env{Stdout: &out, Stderr: &out, ConfigPath: config.DefaultPath, Version: "1", Getenv: func(string) string { return "" }}
	h := m.Host
	h.Command = func(ctx context.Context, name string, args ...string) (string, error) {
		if name == "systemctl" && slices.Equal(args, []string{"start", wanted.Postfix}) {
			m.listen()
		}
		return m.command(ctx, name, args...)
	}
	return newImporter(env, h, opts), &out
}

// listen has the kernel tell that every port of the relay is open.
func (m *fakeMachine) listen() {
	conf, err := config.Parse("", "mail_domain = \""+oldDomain+"\"")
	if err != nil {
		m.t.Fatal(err)
	}
	lines := "  sl  local_address\n"
	for i, p := range wanted.Ports(conf) {
		lines += fmt.Sprintf("   %d: 00000000:%04X 00000000:0000 0A 0:0 0:0 0 0 0 %d 1 0\n", i, p.Port, 1000+i)
	}
	m.write("/proc/net/tcp", lines)
}

func (m *fakeMachine) read(name string) string {
	m.t.Helper()
	text, err := m.ReadFile(name)
	if err != nil {
		m.t.Error(err)
	}
	return string(text)
}

func (m *fakeMachine) links(target string) []string {
	found, err := filepath.Glob(filepath.Join(m.Root, unitFolder, "*"))
	if err != nil {
		m.t.Fatal(err)
	}
	var links []string
	for _, name := range found {
		if got, err := os.Readlink(name); err == nil && got == target {
			links = append(links, filepath.Base(name))
		}
	}
	return links
}

func TestImportDryRunChangesNothing(t *testing.T) {
	m := newOldRelay(t)
	before := m.everything()
	im, out := m.importer(importOptions{dryRun: true})
	if err := im.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if after := m.everything(); !maps.Equal(before, after) || len(m.did) > 0 {
		t.Errorf("files changed, or units: %q", m.did)
	}
	for _, part := range []string{
		"unknown  tpyo", "taken    max_load_1m", "2 accounts stay", "1 refuse cleartext; 1 have push tokens",
		"doveauth.service", "/etc/cron.d/acmetool", "replace /etc/postfix/main.cf", "1 pages of your own", takeover.SelfKey,
	} {
		if !strings.Contains(out.String(), part) {
			t.Errorf("want %q in\n%s", part, out)
		}
	}
}

func TestImportAndUndo(t *testing.T) {
	m := newOldRelay(t)
	before := m.everything()
	im, out := m.importer(importOptions{})
	if err := im.run(t.Context()); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	conf, err := config.Load(filepath.Join(m.Root, config.DefaultPath))
	if err != nil || conf.MailDomain != oldDomain || conf.MaxLoad1m != 9 || conf.WWWFolder != importPages {
		t.Fatalf("got the configuration %+v, %v", conf, err)
	}
	if got, want := m.read(wanted.TLSFolder+"/privkey.pem"), m.read(takeover.SelfKey); got != want {
		t.Error("the TLS key is another one")
	}
	if !strings.Contains(m.read("/etc/postfix/main.cf"), "chatmaild run") || !strings.Contains(m.read(wanted.WebRoot+"/index.html"), "Ours") {
		t.Error("chatmaild run has not written its files")
	}
	masked := m.links("/dev/null")
	for _, u := range takeover.Units {
		if !slices.Contains(masked, u.Name) {
			t.Errorf("%s is not masked", u.Name)
		}
		if _, active := m.active[u.Name]; active || m.enabled[u.Name] {
			t.Errorf("%s runs, or would after a reboot", u.Name)
		}
	}
	if there, _ := m.Exists("/etc/cron.d/acmetool"); there {
		t.Error("cron would go on to renew the certificate")
	}

	// Another import finds nothing to do.
	m.did = nil
	im, out = m.importer(importOptions{})
	if err := im.run(t.Context()); err != nil || len(m.did) > 0 || !strings.Contains(out.String(), "nothing to do") {
		t.Errorf("again: %v, %q\n%s", err, m.did, out)
	}

	// What chatmaild run writes later is put back as well.
	m.write("/etc/dovecot/dovecot.conf", "# a later one\n")
	m.register(conf, "a2@"+oldDomain, "openpgp:new")
	im, out = m.importer(importOptions{undo: true})
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
		if _, active := m.active[unit]; !active || !m.enabled[unit] {
			t.Errorf("%s is not back", unit)
		}
	}
	if m.enabled[wanted.Target] {
		t.Error("chatmaild would start after a reboot")
	}
	for _, name := range []string{config.DefaultPath, importFolder, conf.MetadataDB(), wanted.TLSFolder} {
		if there, _ := m.Exists(name); there {
			t.Errorf("%s is still there", name)
		}
	}
	tokens, err := push.DecodeLegacy([]byte(m.read(oldBoxes+"/a2@"+oldDomain+"/metadata.json")), time.Now())
	if err != nil || len(tokens) != 1 || tokens[0].Text != "openpgp:new" {
		t.Errorf("the token that came meanwhile: %v, %v", tokens, err)
	}

	// And once more: an undo leaves nothing in the way.
	im, out = m.importer(importOptions{})
	if err := im.run(t.Context()); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if _, err := config.Load(filepath.Join(m.Root, config.DefaultPath)); err != nil {
		t.Error(err)
	}
}

// register stores a token as the metadata daemon does.
func (m *fakeMachine) register(conf *config.Config, account, token string) {
	m.t.Helper()
	im, _ := m.importer(importOptions{})
	db, err := store.Open(filepath.Join(m.Root, conf.MetadataDB()), store.Options{
		Mailboxes: store.MailFolder(filepath.Join(m.Root, conf.MailboxesDir)), Now: time.Now, Log: im.env.Log(),
	})
	if err != nil {
		m.t.Fatal(err)
	}
	if err := errors.Join(db.Register(account, token, time.Now()), db.Close()); err != nil {
		m.t.Fatal(err)
	}
}

// TestImportResumes breaks the takeover off after each of its steps, and after each
// systemctl call in them, and goes on or goes back.
func TestImportResumes(t *testing.T) {
	whole := newOldRelay(t)
	im, _ := whole.importer(importOptions{})
	if err := im.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	for at := range len(whole.did) {
		if at%7 != 0 { // they are many, and alike
			continue
		}
		for _, undo := range []bool{false, true} {
			m := newOldRelay(t)
			before := m.everything()
			im, _ := m.importer(importOptions{})
			crash(im, at)
			e := examiner{planner: planner{machine: m.Host}}
			if e.takeover(); len(e.findings) != 1 || e.findings[0].Level != trouble {
				t.Errorf("broken off at %d: status finds %+v, want that it is", at, e.findings)
			}
			im, out := m.importer(importOptions{undo: undo})
			if err := im.run(t.Context()); err != nil {
				t.Fatalf("broken off at %d (%s), undo %v: %v\n%s", at, whole.did[at], undo, err, out)
			}
			if masked := m.links("/dev/null"); (len(masked) == len(takeover.Units)) == undo || undo && len(masked) > 0 {
				t.Errorf("broken off at %d, undo %v: masked are %q", at, undo, masked)
			}
			if _, active := m.active["doveauth.service"]; active != undo {
				t.Errorf("broken off at %d, undo %v: doveauth.service runs: %v", at, undo, active)
			}
			if undo {
				for name, text := range before {
					if path := strings.TrimPrefix(name, m.Root); path != "/proc/net/tcp" && m.read(path) != text {
						t.Errorf("broken off at %d: %s is another", at, path)
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
	im.source = im.machine
	_ = im.run(context.Background())
}

// TestImportFailureBringsTheOldBack: once mail is off, there is one relay or the other.
func TestImportFailureBringsTheOldBack(t *testing.T) {
	m := newOldRelay(t)
	m.refuse = "doveconf"
	before := m.everything()
	im, out := m.importer(importOptions{})
	err := im.run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "Dovecot does not take its configuration") {
		t.Fatalf("got %v\n%s", err, out)
	}
	for name, text := range before {
		if got := m.read(strings.TrimPrefix(name, m.Root)); got != text {
			t.Errorf("%s is %q, was %q", name, got, text)
		}
	}
	for _, unit := range []string{"doveauth.service", "filtermail.service", "postfix.service", "dovecot.service"} {
		if _, active := m.active[unit]; !active {
			t.Errorf("%s is not back", unit)
		}
	}
}

func TestImportRefuses(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*fakeMachine)
		opts   importOptions
		want   string
	}{
		{"no relay", func(m *fakeMachine) { m.remove(takeover.INI) }, importOptions{}, "finding the Python relay"},
		{"bad ini", func(m *fakeMachine) { m.write(takeover.INI, "mail_domain") }, importOptions{}, takeover.INI + ": line 1"},
		{"a config", func(m *fakeMachine) { m.write(config.DefaultPath, "mail_domain = \"x.example\"") }, importOptions{}, "there is a configuration already"},
		{"no mailboxes", func(m *fakeMachine) { m.remove(oldBoxes) }, importOptions{}, "there are no mailboxes"},
		{"old passwords", func(m *fakeMachine) { m.write(takeover.OldPasswords, "SQLite") }, importOptions{}, "passwords are still in"},
		{"no DKIM key", func(m *fakeMachine) { m.remove("/etc/dkimkeys/opendkim.private") }, importOptions{}, "the DKIM key"},
		{"nothing to undo", func(*fakeMachine) {}, importOptions{undo: true}, "nothing to undo"},
		{"a damaged journal", func(m *fakeMachine) { m.write(importJournal, "{") }, importOptions{}, importJournal},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := newOldRelay(t)
			tt.change(m)
			before := m.everything()
			im, _ := m.importer(tt.opts)
			if err := im.run(t.Context()); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
			if len(m.did) > 0 || !maps.Equal(before, m.everything()) {
				t.Errorf("something changed; units: %q", m.did)
			}
		})
	}
}

func (m *fakeMachine) remove(name string) {
	if err := os.RemoveAll(filepath.Join(m.Root, name)); err != nil {
		m.t.Fatal(err)
	}
}

// TestImportFrom takes a copy of another machine's files.
func TestImportFrom(t *testing.T) {
	old, m := newOldRelay(t), newMachine(t)
	if err := os.Rename(old.Root, filepath.Join(m.Root, "copy")); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second finds all there
		im, out := m.importer(importOptions{from: "/copy"})
		if err := im.run(t.Context()); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	if len(m.did) > 0 {
		t.Errorf("units were touched: %q", m.did)
	}
	copied := host.Host{Root: filepath.Join(m.Root, "copy")}
	for _, name := range []string{
		oldBoxes + "/a1@" + oldDomain + "/password", oldBoxes + "/a2@" + oldDomain + "/cur/1:2,S", "/etc/dkimkeys/opendkim.private",
	} {
		want, err := copied.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := m.read(name); got != string(want) {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
		was, err1 := os.Stat(filepath.Join(copied.Root, name))
		is, err2 := os.Stat(filepath.Join(m.Root, name))
		if err := errors.Join(err1, err2); err != nil {
			t.Fatal(err)
		}
		if !was.ModTime().Equal(is.ModTime()) || was.Mode() != is.Mode() {
			t.Errorf("%s: time and mode are %v %v, want %v %v", name, is.ModTime(), is.Mode(), was.ModTime(), was.Mode())
		}
	}
	names, err := m.Names(oldBoxes)
	if err != nil || len(names) != 2 {
		t.Errorf("got the mailboxes %q, %v", names, err)
	}
	if _, err := config.Load(filepath.Join(m.Root, config.DefaultPath)); err != nil {
		t.Error(err)
	}
}

// TestImportNotifies holds that what waited in the old queue is handed on, once.
func TestImportNotifies(t *testing.T) {
	m := newOldRelay(t)
	fresh := takeover.Notification{Account: "a1@" + oldDomain, Since: time.Now().Add(-time.Minute), Token: "openpgp:old"}
	stale := takeover.Notification{Account: "a2@" + oldDomain, Since: time.Now().Add(-24 * time.Hour), Token: "openpgp:x"}
	for name, text := range map[string]string{"1": string(fresh.Encode()), "2": string(fresh.Encode()), "3": string(stale.Encode()), "4.tmp": "half"} {
		m.write(oldBoxes+"/"+takeover.Pending+"/"+name, text)
	}
	told := m.fakeMetadata()
	im, out := m.importer(importOptions{})
	if err := im.run(t.Context()); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if got := told(); !slices.Equal(got, []string{"a1@" + oldDomain}) {
		t.Errorf("notified were %q", got)
	}
	if names, err := m.Names(oldBoxes + "/" + takeover.Pending); err != nil || len(names) > 0 {
		t.Errorf("the old relay would notify again: %q, %v", names, err)
	}
}

// fakeMetadata is a metadata daemon that only remembers whom it was asked to notify.
func (m *fakeMachine) fakeMetadata() (told func() []string) {
	m.t.Helper()
	socket := filepath.Join(m.Root, config.Defaults().Socket("metadata"))
	if err := os.MkdirAll(filepath.Dir(socket), 0o755); err != nil {
		m.t.Fatal(err)
	}
	l, err := net.Listen("unix", socket)
	if err != nil {
		m.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	handler := &notifyLog{}
	server := dict.Server{Handler: handler, Log: slog.New(slog.DiscardHandler)}
	ended := make(chan error)
	go func() { ended <- server.Serve(ctx, l) }()
	return func() []string {
		cancel()
		if err := <-ended; err != nil {
			m.t.Error(err)
		}
		return handler.accounts
	}
}

// notifyLog is a dict.Handler.
type notifyLog struct{ accounts []string }

func (*notifyLog) Lookup(context.Context, string, string) (string, bool, error) {
	return "", false, nil
}

func (*notifyLog) Iterate(context.Context, string, string, func(key, value string) error) error {
	return nil
}

func (n *notifyLog) Commit(_ context.Context, user string, changes []dict.Change) error {
	for _, c := range changes {
		if strings.HasPrefix(c.Key, "priv/") && strings.HasSuffix(c.Key, "/messagenew") {
			n.accounts = append(n.accounts, user)
		}
	}
	return nil
}
