package converge

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"chatmaild/applets/acme/renewal"
	"chatmaild/applets/admin/desired"
	"chatmaild/applets/command"
	"chatmaild/applets/keys"
	"chatmaild/testdata/kit/pki"
)

const (
	plainName = "mail_domain = \"chat.example.org\"\n"
	acmeFiles = renewal.Files("/var/lib/chatmaild/acme")
)

// written returns the file that a plan writes at path, or nil.
func written(todo *Plan, path string) *desired.File {
	for _, c := range todo.Files {
		if c.File.Path == path && !c.File.Absent {
			return &c.File
		}
	}
	return nil
}

func (m *fakeMachine) mustPlan(text string) *Plan {
	m.T.Helper()
	todo, err := m.plan(text)
	if err != nil {
		m.T.Fatal(err)
	}
	return todo
}

// TestFirstCertificate holds that a new relay starts with a certificate of its
// own that the acme daemon can replace, and that run leaves it alone then.
func TestFirstCertificate(t *testing.T) {
	m := newMachine(t)
	todo := m.mustPlan(plainName)
	for _, path := range []string{acmeFiles.Certificate(), acmeFiles.PrivateKey()} {
		f := written(todo, path)
		if f == nil || f.Mode != 0o600 || f.Owner != desired.ACMEUser {
			t.Fatalf("%s: got %+v, want it, of %s alone", path, f, desired.ACMEUser)
		}
		m.Write(path, string(f.Content))
	}
	for _, unit := range []string{"chatmaild-certificate.path", "chatmaild-acme.socket", "chatmaild-acme.service"} {
		if !slices.ContainsFunc(todo.Units, func(s UnitStep) bool { return s == UnitStep{"start", unit, "it is inactive"} }) {
			t.Errorf("%s is not started: %v", unit, todo.Units)
		}
	}
	m.Active[desired.ACME] = time.Now().Add(time.Minute)
	m.Enabled[desired.ACME] = true
	again := m.mustPlan(plainName)
	if f := written(again, acmeFiles.Certificate()); f != nil {
		t.Errorf("a second run would write %s", f.Path)
	}
	if !slices.Contains(again.Units, UnitStep{"restart", desired.ACME, "to request a certificate"}) {
		t.Errorf("a second run does not ask for a certificate: %v", again.Units)
	}
}

// TestTakesOverAcmetool holds that certificate, key and account of a relay that
// acmetool served stay the same.
func TestTakesOverAcmetool(t *testing.T) {
	key, err := keys.New()
	if err != nil {
		t.Fatal(err)
	}
	cert, err := keys.SelfSign("chat.example.org", key, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	const live = "/var/lib/acme/live/chat.example.org/"
	tests := []struct {
		name, config string
		spoil        func(*fakeMachine)
		took         bool
		account      string // what the account's key is then; "" for none
	}{
		{"all", plainName, func(*fakeMachine) {}, true, "production"},
		{"another authority", plainName + `acme_directory = "https://acme.example/dir"`, func(*fakeMachine) {}, true, ""},
		{"a key of another certificate", plainName, func(m *fakeMachine) {
			other, err := keys.New()
			if err != nil {
				m.T.Fatal(err)
			}
			m.Write(live+"privkey", string(other))
		}, false, ""},
		{"a key of ours is there", plainName, func(m *fakeMachine) { m.Write(acmeFiles.PrivateKey(), string(key)) }, false, ""},
		{"another relay's", "mail_domain = \"other.example.org\"\n", func(*fakeMachine) {}, false, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := newMachine(t)
			m.Write(live+"privkey", string(key))
			m.Write(live+"fullchain", string(cert))
			m.Write("/var/lib/acme/accounts/acme-staging-v02.api.letsencrypt.org%2fdirectory/aaaa/privkey", "staging")
			m.Write("/var/lib/acme/accounts/acme-v02.api.letsencrypt.org%2fdirectory/bbbb/privkey", "production")
			tt.spoil(m)
			todo := m.mustPlan(tt.config)
			f := written(todo, acmeFiles.Certificate())
			if took := f != nil && string(f.Content) == string(cert); took != tt.took {
				t.Errorf("took the certificate: %v, want %v", took, tt.took)
			}
			account := ""
			if f := written(todo, acmeFiles.AccountKey()); f != nil {
				account = string(f.Content)
			}
			if account != tt.account {
				t.Errorf("account: got %q, want %q", account, tt.account)
			}
		})
	}
}

// TestAddress holds that a relay at an address keeps the key that its clients know when it
// asks an authority for a certificate, and that the web daemon is told which one it has.
func TestAddress(t *testing.T) {
	const private, public = "mail_domain = \"10.0.0.1\"\n", "mail_domain = \"10.0.0.1\"\nacme_directory = \"https://ca.test/dir\"\n"
	m := newMachine(t)
	first := m.mustPlan(private)
	key, cert := written(first, desired.TLSDir+"/privkey.pem"), written(first, desired.TLSDir+"/fullchain.pem")
	if key == nil || cert == nil {
		t.Fatal("no certificate of its own")
	}
	const dropin = "/etc/systemd/system/chatmaild-web.service.d/certificate.conf"
	if written(first, dropin) != nil {
		t.Error("the web daemon wants a certificate that no authority signs")
	}
	m.Write(key.Path, string(key.Content))
	m.Write(cert.Path, string(cert.Content))
	then := m.mustPlan(public)
	for path, want := range map[string]*desired.File{acmeFiles.PrivateKey(): key, acmeFiles.Certificate(): cert} {
		got := written(then, path)
		if got == nil || string(got.Content) != string(want.Content) || got.Owner != desired.ACMEUser || got.Mode != 0o600 {
			t.Errorf("%s: got %+v, want the former one, of %s", path, got, desired.ACMEUser)
		}
	}
	if written(then, dropin) == nil {
		t.Error("the web daemon does not get the certificate")
	}
}

// TestCertificateIsTaken has an authority issue while run still starts units, when systemd may
// not notice: run has the servers take it. They have it already when run comes again.
func TestCertificateIsTaken(t *testing.T) {
	m := newMachine(t)
	authority, err := pki.New(nil, pki.Request{Names: []string{"ca.example"}})
	if err != nil {
		t.Fatal(err)
	}
	issued, err := pki.New(&authority, pki.Request{Names: []string{"chat.example.org", "www.chat.example.org", "mta-sts.chat.example.org"}})
	if err != nil {
		t.Fatal(err)
	}
	cert, key, err := pki.PEM(issued)
	if err != nil {
		t.Fatal(err)
	}
	systemd := m.Command
	m.Command = func(ctx context.Context, name string, args ...string) (string, error) {
		if name == "systemctl" && slices.Contains(args, desired.ACME) && slices.Contains([]string{"start", "restart"}, args[0]) {
			m.Write(acmeFiles.PrivateKey(), string(key))
			m.Write(acmeFiles.Certificate(), string(cert))
		}
		return systemd(ctx, name, args...)
	}
	const take = "start " + desired.Certificate
	env := &command.Env{Stdout: t.Output(), Stderr: t.Output(), Getenv: func(string) string { return "" }, ConfigPath: filepath.Join(t.TempDir(), "chatmail.toml")}
	for _, tt := range []struct {
		config string
		takes  bool
	}{{plainName, true}, {plainName + "max_mailbox_size = \"100M\"\n", false}} {
		if err := os.WriteFile(env.ConfigPath, []byte(tt.config), 0o644); err != nil {
			t.Fatal(err)
		}
		m.Did = nil
		if err := run(t.Context(), env, m.Host, options{skipDNSCheck: true}); err != nil {
			t.Fatal(err)
		}
		if len(m.Did) == 0 || slices.Contains(m.Did, take) != tt.takes {
			t.Errorf("%q: did %q, want %q among it: %v", tt.config, m.Did, take, tt.takes)
		}
	}
}
