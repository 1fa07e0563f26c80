package doveauth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"chatmaild/applets/config"
	"chatmaild/applets/doveauth/policy"
	"chatmaild/applets/service/metric"
	"chatmaild/applets/web"
	"chatmaild/applets/web/signup"
	"chatmaild/auth"
	"chatmaild/auth/machine"
	"chatmaild/packaging/dovecot/authproto"
	"chatmaild/store/census"
	"chatmaild/store/directory/files"
	"chatmaild/store/invites"
	"chatmaild/store/maildir"
)

// accountFixture is what doveauth is made of, in a temporary directory.
type accountFixture struct {
	*handler
	cfg    *config.Config
	path   string // of the configuration
	policy *policy.Policy
	log    *bytes.Buffer
}

func newAccountFixture(t *testing.T, more ...string) *accountFixture {
	t.Helper()
	dir := t.TempDir()
	f := &accountFixture{path: filepath.Join(dir, "chatmail.toml"), log: &bytes.Buffer{}}
	f.write(t, dir, more...)
	cfg, err := config.Load(f.path)
	if err != nil {
		t.Fatal(err)
	}
	f.cfg = cfg
	log := slog.New(slog.NewTextHandler(f.log, nil))
	f.policy = policy.New(f.path, cfg, log)
	mailboxes := maildir.New(cfg.MailboxesDir, cfg.AddressDomain())
	if err := mailboxes.Make(); err != nil {
		t.Fatal(err)
	}
	rows := files.New(mailboxes, time.Now)
	f.handler = &handler{
		accounts: auth.New(auth.Options{
			Domain: cfg.AddressDomain(), Accounts: rows,
			Machine: &machine.Machine{Mailboxes: cfg.MailboxesDir, NoCreate: cfg.NocreateFile, Now: time.Now},
			Policy:  f.policy.Current, Limiter: auth.NewRates(f.policy.Current, time.Now), Now: time.Now, Key: []byte("key"), Remember: 10, Workers: 2,
		}),
		rows: rows, log: log, took: NewMetrics(&metric.Set{}).login,
	}
	return f
}

func (f *accountFixture) write(t *testing.T, dir string, more ...string) {
	t.Helper()
	text := fmt.Sprintf(`mail_domain = "chat.example"
mailboxes_dir = "%[1]s/mail"
state_dir = "%[1]s"
nocreate_file = "%[1]s/nocreate"
max_load_1m = 1000.0
min_free_disk_space = 0
%[2]s
`, dir, strings.Join(more, "\n"))
	if err := os.WriteFile(f.path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// login logs in from 192.0.2.1.
func (f *accountFixture) login(t *testing.T, user, password string) (addr string, ok bool) {
	t.Helper()
	addr, ok, err := f.Login(context.Background(), authproto.Credentials{User: user, Password: password},
		netip.MustParseAddr("192.0.2.1"))
	if err != nil {
		t.Fatalf("logging in as %s: %v", user, err)
	}
	return addr, ok
}

// user looks a user up.
func (f *accountFixture) user(t *testing.T, name string) (addr string, found bool) {
	t.Helper()
	addr, found, err := f.User(context.Background(), name)
	if err != nil {
		t.Fatalf("looking up %s: %v", name, err)
	}
	return addr, found
}

func TestDoveauthAnswers(t *testing.T) {
	f := newAccountFixture(t)
	const address = "abcdefghi@chat.example"
	if _, found := f.user(t, address); found {
		t.Error("found before its first login")
	}
	for _, name := range []string{address, "ABCdefghi@Chat.Example"} {
		if addr, ok := f.login(t, name, `pass"word`); !ok || addr != address {
			t.Errorf("%s: the right password is answered with %q, %t", name, addr, ok)
		}
		if addr, found := f.user(t, name); !found || addr != address {
			t.Errorf("%s: looked up as %q, %t", name, addr, found)
		}
	}
	if _, ok := f.login(t, address, "passwords"); ok {
		t.Error("a wrong password lets one in")
	}
	for _, name := range []string{"bcdefghij@chat.example", "../../../etc@chat.example", "../" + address, "", "x"} {
		if _, ok := f.login(t, name, "short"); ok {
			t.Errorf("%q may log in", name)
		}
		if addr, found := f.user(t, name); found {
			t.Errorf("%q is %q", name, addr)
		}
	}
	var users []string
	err := f.Users(context.Background(), func(user string) error {
		users = append(users, user)
		return nil
	})
	if err != nil || !slices.Equal(users, []string{address}) {
		t.Errorf("the users are %q, %v", users, err)
	}
}

// One line for each account made or refused, and never an address, an IP address
// or a password in it.
func TestDoveauthLog(t *testing.T) {
	f := newAccountFixture(t)
	const address = "abcdefghi@chat.example"
	f.login(t, address, "verysecret")
	f.login(t, "bcdefghij@chat.example", strings.Repeat("verysecret", 8))
	path := f.cfg.MailboxesDir + "/" + address + "/password"
	if err := os.WriteFile(path, []byte("verysecret"), 0o600); err != nil {
		t.Fatal(err)
	}
	f.login(t, address, "verysecret")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, _, err := f.Login(context.Background(), authproto.Credentials{User: address, Password: "verysecret"}, netip.Addr{}); err != errTemporary {
		t.Errorf("a password file that is a directory: %v", err)
	}
	log := f.log.String()
	for _, want := range []string{"account created", "longer than bcrypt's 72 bytes", "a mailbox is damaged", "is a directory"} {
		if strings.Count(log, want) != 1 {
			t.Errorf("the log does not say %q once:\n%s", want, log)
		}
	}
	for _, secret := range []string{"verysecret", "abcdefghi", "bcdefghij", "192.0.2"} {
		if strings.Contains(log, secret) {
			t.Errorf("the log says %q:\n%s", secret, log)
		}
	}
}

// A first login beyond the network's limit is told why, and to come back; all others see
// what they always did. Neither the limit nor its words make a log of networks.
func TestBeyondTheLimit(t *testing.T) {
	f := newAccountFixture(t, "max_network_registrations_per_day = 1")
	const first, second = "abcdefghi@chat.example", "bcdefghij@chat.example"
	f.login(t, first, "verysecret")
	_, ok, err := f.Login(context.Background(), authproto.Credentials{User: second, Password: "verysecret"}, netip.MustParseAddr("192.0.2.2"))
	if want := authproto.TryLater(auth.NetworkRate.Message()); ok || !errors.Is(err, want) {
		t.Errorf("the second account: %t, %v", ok, err)
	}
	if got := f.accounts.Refusals(auth.NetworkRate); got != 1 {
		t.Errorf("%d refusals are counted, want 1", got)
	}
	if _, ok := f.login(t, first, "verysecret"); !ok {
		t.Error("the account that is there cannot log in")
	}
	if _, ok := f.login(t, first, "wrongsecret"); ok {
		t.Error("a wrong password lets one in")
	}
	if log := f.log.String(); !strings.Contains(log, string(auth.NetworkRate)) || strings.Contains(log, "192.0.2") {
		t.Errorf("the log says:\n%s", log)
	}
	f.write(t, filepath.Dir(f.path), `registration = "closed"`)
	f.policy.Reload()
	if _, ok := f.login(t, second, "verysecret"); ok { // and with no words: they would name who is there
		t.Error("a closed relay makes an account")
	}
}

// The policy follows the file; a wrong file changes nothing.
func TestPolicyFollowsTheFile(t *testing.T) {
	f := newAccountFixture(t)
	dir := filepath.Dir(f.path)
	try := func(name string) bool {
		_, ok := f.login(t, name+"@chat.example", "password1")
		return ok
	}
	for i, tt := range []struct {
		registration string
		want         bool
	}{{"open", true}, {"closed", false}, {"bogus", false}, {"open", true}} {
		f.write(t, dir, fmt.Sprintf("registration = %q # %d", tt.registration, i))
		f.policy.Reload()
		if got := try(fmt.Sprint("abcdefgh", i)); got != tt.want {
			t.Errorf("%s: an account was made: %t", tt.registration, got)
		}
	}
	if err := os.WriteFile(f.cfg.NocreateFile, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if try("nocreate1") {
		t.Error("an account was made though the nocreate file exists")
	}
}

// What /new hands out for a token is accepted once at its first login, and
// nothing else is.
func TestInvitedAccounts(t *testing.T) {
	f := newAccountFixture(t, `registration = "invite"`)
	store, err := invites.Open(f.cfg.InvitesDir())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Create(t.Context(), "token", 2, time.Now().Add(time.Hour), "", time.Now()); err != nil {
		t.Fatal(err)
	}
	r := &web.Registrar{Policy: f.policy, Config: f.cfg}
	if _, err := r.Register(context.Background(), "another token"); refusalReason(err) != auth.NotInvited.Message() {
		t.Errorf("another token: %v", err)
	}
	c, err := r.Register(context.Background(), "token")
	if err != nil {
		t.Fatal(err)
	}
	f.policy.Reload() // the key is new
	if _, ok := f.login(t, "another99@chat.example", c.Password); ok {
		t.Error("an account was made at another address")
	}
	if _, ok := f.login(t, c.Email, c.Password); !ok {
		t.Error("what was handed out is not accepted")
	}
	if _, err := r.Register(context.Background(), "token"); err != nil {
		t.Errorf("the second use: %v", err)
	}
	if _, err := r.Register(context.Background(), "token"); refusalReason(err) != auth.NotInvited.Message() {
		t.Errorf("the third use: %v", err)
	}
}

func refusalReason(err error) string {
	if r, ok := err.(*signup.Refusal); ok {
		return r.Reason
	}
	return ""
}

func TestOpenRegistration(t *testing.T) {
	f := newAccountFixture(t, "refused_password_lengths = [22, 23, 24]")
	r := &web.Registrar{Policy: f.policy, Config: f.cfg}
	c, err := r.Register(context.Background(), "")
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := f.login(t, c.Email, c.Password); !ok {
		t.Errorf("%+v is not accepted", c)
	}
	f.write(t, filepath.Dir(f.path), `registration = "closed"`)
	f.policy.Reload()
	if _, err := r.Register(context.Background(), ""); refusalReason(err) != auth.RegistrationClosed.Message() {
		t.Errorf("closed: %v", err)
	}
}

// Each socket that we answer is one that systemd opens for those who ask there.
func TestSockets(t *testing.T) {
	cfg := config.Defaults()
	for _, test := range []struct{ name, path, user string }{
		{"auth-login", "/run/dovecot/login/chatmaild/login", "dovenull"},
		{"auth-master", cfg.Socket("auth-master"), "root"},
		{"auth-userdb", cfg.Socket("auth-userdb"), "vmail"},
		{"auth-sasl", "/var/spool/postfix/private/auth", "postfix"},
	} {
		unit, err := os.ReadFile(filepath.Join("..", "..", "packaging", "systemd", "chatmaild-"+test.name+".socket"))
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{
			"Service=chatmaild-doveauth.service", "FileDescriptorName=" + test.name,
			"ListenStream=" + test.path, "SocketUser=" + test.user, "SocketMode=0600",
		} {
			if !strings.Contains(string(unit), "\n"+want+"\n") {
				t.Errorf("chatmaild-%s.socket: want the line %s", test.name, want)
			}
		}
	}
}

// TestCounts has accounts counted by the kinds of their names, and logins timed.
func TestCounts(t *testing.T) {
	set := &metric.Set{}
	m := NewMetrics(set)
	m.count(census.Counts{CI: 2, Others: 3, Deleted: 4, Known: true})
	f := newAccountFixture(t)
	f.took = m.login
	f.login(t, "abcdefghi@chat.example", "password1")
	f.user(t, "abcdefghi@chat.example")
	var text strings.Builder
	if err := set.Tell(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"accounts 5", "ci_accounts 2", "nonci_accounts 3", "chatmaild_accounts_deleted_total 4", "chatmaild_login_seconds_count 1"} {
		if !strings.Contains(text.String(), "\n"+want+"\n") {
			t.Errorf("the metrics lack %s", want)
		}
	}
}
