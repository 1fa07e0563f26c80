package doveauth

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"chatmaild/applets/config"
	"chatmaild/applets/doveauth/policy"
	"chatmaild/applets/metric"
	"chatmaild/applets/web"
	"chatmaild/applets/web/signup"
	"chatmaild/auth"
	"chatmaild/auth/machine"
	"chatmaild/packaging"
	"chatmaild/store/census"
	"chatmaild/store/invites"
	"chatmaild/store/maildir"
)

// accountFixture is what doveauth is made of, in a temporary folder.
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
	f.handler = &handler{
		accounts: auth.New(auth.Options{
			Domain: cfg.AddressDomain(), Mailboxes: mailboxes,
			Machine: &machine.Machine{Mailboxes: cfg.MailboxesDir, NoCreate: cfg.NocreateFile, Now: time.Now},
			Policy:  f.policy.Current, Now: time.Now, Key: []byte("key"), Remember: 10, Workers: 2,
		}),
		mailboxes: mailboxes, log: log, took: NewMetrics(&metric.Set{}).login,
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

func (f *accountFixture) lookup(t *testing.T, key string) (account, bool) {
	t.Helper()
	value, found, err := f.Lookup(context.Background(), key, "")
	if err != nil {
		t.Fatalf("looking up %q: %v", key, err)
	}
	var a account
	if found {
		if err := json.Unmarshal([]byte(value), &a); err != nil {
			t.Fatalf("%q: %v", value, err)
		}
	}
	return a, found
}

func TestDoveauthAnswers(t *testing.T) {
	f := newAccountFixture(t)
	if _, found := f.lookup(t, `shared/userdb/abcdefghi@chat.example`); found {
		t.Error("found before its first login")
	}
	a, found := f.lookup(t, `shared/passdb/pass\"word"abcdefghi@chat.example"192.0.2.1`)
	want := account{
		Addr: "abcdefghi@chat.example", Home: f.cfg.MailboxesDir + "/abcdefghi@chat.example",
		UID: "vmail", GID: "vmail",
	}
	if password := a.Password; !found || !strings.HasPrefix(password, "{SHA256}") {
		t.Errorf("the password is %q", password)
	}
	if a.Password = ""; a != want {
		t.Errorf("passdb: %+v, want %+v", a, want)
	}
	if a, _ := f.lookup(t, `shared/userdb/ABCDEFGHI@chat.example`); a != want {
		t.Errorf("userdb: %+v, want %+v", a, want)
	}
	right, _ := f.lookup(t, `shared/passdb/pass\"word"abcdefghi@chat.example`)
	wrong, _ := f.lookup(t, `shared/passdb/passwords"abcdefghi@chat.example`)
	if right.Password == "" || right.Password == wrong.Password {
		t.Errorf("a right password is answered with %q, a wrong one with %q", right.Password, wrong.Password)
	}
	for _, key := range []string{
		`shared/passdb/short"bcdefghij@chat.example`, `shared/userdb/x"y`, `shared/other/x`, ``,
		`shared/passdb/password"../../../etc@chat.example`, `shared/userdb/../abcdefghi@chat.example`,
	} {
		if a, found := f.lookup(t, key); found {
			t.Errorf("%q found %+v", key, a)
		}
	}
	for _, key := range []string{`shared/passdb/`, `shared/passdb/a"b"c"d`} {
		if _, _, err := f.Lookup(context.Background(), key, ""); err == nil {
			t.Errorf("%q has no error", key)
		}
	}
	if err := f.Commit(context.Background(), "u", nil); err == nil {
		t.Error("a commit has no error")
	}
	var keys []string
	err := f.Iterate(context.Background(), "shared/userdb/", "", func(key, value string) error {
		keys = append(keys, key+"="+value)
		return nil
	})
	if err != nil || !slices.Equal(keys, []string{"shared/userdb/abcdefghi@chat.example="}) {
		t.Errorf("iterated over %q, %v", keys, err)
	}
}

// One line for each account made or refused, and never an address, an IP address
// or a password in it.
func TestDoveauthLog(t *testing.T) {
	f := newAccountFixture(t)
	f.lookup(t, `shared/passdb/verysecret"abcdefghi@chat.example"192.0.2.1`)
	f.lookup(t, `shared/passdb/`+strings.Repeat("verysecret", 8)+`"bcdefghij@chat.example"192.0.2.1`)
	if err := os.WriteFile(f.cfg.MailboxesDir+"/abcdefghi@chat.example/password", []byte("verysecret"), 0o600); err != nil {
		t.Fatal(err)
	}
	f.lookup(t, `shared/passdb/verysecret"abcdefghi@chat.example"192.0.2.1`)
	path := f.cfg.MailboxesDir + "/abcdefghi@chat.example/password"
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, _, err := f.Lookup(context.Background(), `shared/passdb/verysecret"abcdefghi@chat.example"192.0.2.1`, ""); err != errTemporary {
		t.Errorf("a password file that is a folder: %v", err)
	}
	log := f.log.String()
	for _, want := range []string{"account created", "longer than bcrypt's 72 octets", "a mailbox is damaged", "is a directory"} {
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

// The policy follows the file; a wrong file changes nothing.
func TestPolicyFollowsTheFile(t *testing.T) {
	f := newAccountFixture(t)
	dir := filepath.Dir(f.path)
	try := func(name string) bool {
		_, found := f.lookup(t, `shared/passdb/password1"`+name+`@chat.example`)
		return found
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
	if _, err := store.Create("token", 2, time.Now().Add(time.Hour), "", time.Now()); err != nil {
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
	if _, found := f.lookup(t, `shared/passdb/`+c.Password+`"another99@chat.example`); found {
		t.Error("an account was made at another address")
	}
	if _, found := f.lookup(t, `shared/passdb/`+c.Password+`"`+c.Email); !found {
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
	if _, found := f.lookup(t, `shared/passdb/`+c.Password+`"`+c.Email); !found {
		t.Errorf("%+v is not accepted", c)
	}
	f.write(t, filepath.Dir(f.path), `registration = "closed"`)
	f.policy.Reload()
	if _, err := r.Register(context.Background(), ""); refusalReason(err) != auth.RegistrationClosed.Message() {
		t.Errorf("closed: %v", err)
	}
}

// The keys of the configuration that we give to Dovecot are those we answer.
func TestDovecotAsksForOurKeys(t *testing.T) {
	text, err := packaging.Templates.ReadFile("dovecot/dict-auth.conf.tmpl")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`key = ` + strings.TrimPrefix(passdbPrefix, "shared/") + `%Ew"%Eu"%r`,
		`key = ` + strings.TrimPrefix(userdbPrefix, "shared/") + `%Eu`,
		`iterate_prefix = ` + strings.TrimPrefix(userdbPrefix, "shared/"),
		`{{.Socket "doveauth"}}:auth`,
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("dict-auth.conf.tmpl does not say %q", want)
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
	f.lookup(t, `shared/passdb/password1"abcdefghi@chat.example`)
	f.lookup(t, `shared/userdb/abcdefghi@chat.example`)
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
