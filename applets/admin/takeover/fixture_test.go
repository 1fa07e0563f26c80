package takeover

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"chatmaild/applets/admin/desired"
	"chatmaild/applets/admin/takeover/pythonrelay"
	"chatmaild/applets/command"
	"chatmaild/applets/config"
	"chatmaild/applets/keys"
	"chatmaild/packaging/dovecot/dict"
	"chatmaild/store/tokens"
)

const (
	oldDomain = "_chat.example"
	oldBoxes  = "/home/vmail/mail/" + oldDomain
	oldINI    = "[params]\nmail_domain = " + oldDomain + "\nmax_load_1m = 9\ntpyo = 1\nwww_folder = ../pages\n"
)

// oldPassword is as the Python relay stores one.
var oldPassword = "{SHA512-CRYPT}$6$salt$" + strings.Repeat("x", 86)

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
		pythonrelay.INI:                                        oldINI,
		"/etc/dkimkeys/opendkim.private":                       string(dkim),
		pythonrelay.SelfSigned:                                 string(cert),
		pythonrelay.SelfKey:                                    string(key),
		"/etc/postfix/main.cf":                                 "# the old main.cf\n",
		"/etc/postfix/login_map":                               "/^(.*)$/ ${1}\n",
		"/etc/dovecot/dovecot.conf":                            "# the old dovecot.conf\n",
		"/etc/nginx/nginx.conf":                                "# the old nginx.conf\n",
		"/etc/cron.d/acmetool":                                 "# renew\n",
		"/etc/sysctl.conf":                                     "kernel.x = 1\nfs.inotify.max_user_watches = 65535\n",
		"/etc/passwd":                                          "root:x:0:0::/root:/bin/sh\niroh:x:999:999::/home/iroh:/bin/sh\n",
		pythonrelay.WWWRoot + "/index.html":                    "<h1>Ours</h1>",
		pythonrelay.WWWRoot + "/.well-known/x":                 "made",
		oldBoxes + "/a1@" + oldDomain + "/password":            oldPassword,
		oldBoxes + "/a1@" + oldDomain + "/enforceE2EEincoming": "",
		oldBoxes + "/a1@" + oldDomain + "/metadata.json":       `{"devicetoken": {"openpgp:old": ` + fmt.Sprint(time.Now().Unix()) + `}}`,
		oldBoxes + "/a2@" + oldDomain + "/password":            oldPassword,
		oldBoxes + "/a2@" + oldDomain + "/cur/1:2,S":           "a message",
	} {
		m.Write(name, text)
	}
	for _, f := range pythonrelay.Files {
		name := strings.ReplaceAll(f.Path, "*", "x")
		if there, err := m.Exists(name); err != nil {
			t.Fatal(err)
		} else if !there {
			m.Write(name, "the old "+name+"\n")
		}
	}
	for _, unit := range []string{"doveauth.service", "filtermail.service", "chatmail-expire.timer", "postfix.service", "dovecot.service", "nginx.service"} {
		m.Active[unit], m.Enabled[unit] = time.Now().Add(-time.Hour), true
	}
	m.Write(unitDir+"/doveauth.service", "[Service]\n")
	for _, unit := range slices.Concat(desired.SocketUnits(), desired.ServiceUnits(), []string{desired.Target}) {
		m.Write("/usr/lib/systemd/system/"+unit, "[Unit]\n")
	}
	return m
}

// importer is the command on the machine. Its servers listen once Postfix has started.
func (m *fakeMachine) importer(opts options) (*importer, *bytes.Buffer) {
	m.T.Helper()
	if opts.ini == "" {
		opts.ini = pythonrelay.INI
	}
	var out bytes.Buffer
	env := &command.Env{Stdout: &out, Stderr: &out, ConfigPath: config.DefaultPath, Version: "1", Getenv: func(string) string { return "" }}
	h := m.Host
	h.Command = func(ctx context.Context, name string, args ...string) (string, error) {
		if name == "systemctl" && slices.Equal(args, []string{"start", desired.Postfix}) {
			m.listen()
		}
		return m.Systemd(ctx, name, args...)
	}
	return newImporter(env, h, opts), &out
}

// listen has the kernel tell that every port of the relay is open.
func (m *fakeMachine) listen() {
	conf, err := config.Parse("", "mail_domain = \""+oldDomain+"\"")
	if err != nil {
		m.T.Fatal(err)
	}
	lines := "  sl  local_address\n"
	for i, p := range desired.Ports(conf) {
		lines += fmt.Sprintf("   %d: 00000000:%04X 00000000:0000 0A 0:0 0:0 0 0 0 %d 1 0\n", i, p.Port, 1000+i)
	}
	m.Write("/proc/net/tcp", lines)
}

func (m *fakeMachine) read(name string) string {
	m.T.Helper()
	text, err := m.ReadFile(name)
	if err != nil {
		m.T.Error(err)
	}
	return string(text)
}

func (m *fakeMachine) links(target string) []string {
	found, err := filepath.Glob(filepath.Join(m.Root, unitDir, "*"))
	if err != nil {
		m.T.Fatal(err)
	}
	var links []string
	for _, name := range found {
		if got, err := os.Readlink(name); err == nil && got == target {
			links = append(links, filepath.Base(name))
		}
	}
	return links
}

// register stores a token as the metadata daemon does.
func (m *fakeMachine) register(conf *config.Config, account, token string) {
	m.T.Helper()
	im, _ := m.importer(options{})
	db, err := tokens.Open(filepath.Join(m.Root, conf.MetadataDB()), tokens.Options{
		Mailboxes: tokens.MailDir(filepath.Join(m.Root, conf.MailboxesDir)), Now: time.Now, Log: im.env.Log(),
	})
	if err != nil {
		m.T.Fatal(err)
	}
	if err := errors.Join(db.Register(account, token, time.Now()), db.Close()); err != nil {
		m.T.Fatal(err)
	}
}

func (m *fakeMachine) remove(name string) {
	if err := os.RemoveAll(filepath.Join(m.Root, name)); err != nil {
		m.T.Fatal(err)
	}
}

// fakeMetadata is a metadata daemon that only remembers whom it was asked to notify.
func (m *fakeMachine) fakeMetadata() (told func() []string) {
	m.T.Helper()
	socket := filepath.Join(m.Root, config.Defaults().Socket("metadata"))
	if err := os.MkdirAll(filepath.Dir(socket), 0o755); err != nil {
		m.T.Fatal(err)
	}
	l, err := net.Listen("unix", socket)
	if err != nil {
		m.T.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	handler := &notifyLog{}
	server := dict.Server{Handler: handler, Log: slog.New(slog.DiscardHandler)}
	ended := make(chan error)
	go func() { ended <- server.Serve(ctx, l) }()
	return func() []string {
		cancel()
		if err := <-ended; err != nil {
			m.T.Error(err)
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
