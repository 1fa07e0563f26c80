package doveauth

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chatmaild/applets/config"
	"chatmaild/applets/doveauth/member"
	"chatmaild/applets/service/metric"
	"chatmaild/auth"
	"chatmaild/auth/machine"
	"chatmaild/auth/mailaddr"
	"chatmaild/packaging/dovecot/authserver"
	"chatmaild/packaging/postfix/socketmap"
	"chatmaild/store/directory/home"
	"chatmaild/store/directory/postgres"
	"chatmaild/store/maildir"
	"chatmaild/testdata/kit/postgrestest"
)

// replicated is doveauth on one of two machines, a and b, with real servers for the
// directory: b's copy is the one that it reads, and a's is the writer.
type replicated struct {
	t               *testing.T
	writer, standby *postgrestest.Instance
	sockets         string
	place           string // where new accounts are at home
	mailboxes       *maildir.Store
	told            metric.Set
}

// clusterConfig is that of b.
func clusterConfig(t *testing.T) *config.Config {
	t.Helper()
	conf, err := config.Parse("test.toml", `mail_domain = "chat.example"
min_free_disk_space = 0
max_load_1m = 1000.0
[cluster]
name = "b"
members = ["a 10.7.0.1", "b 10.7.0.2"]
`)
	if err != nil {
		t.Fatal(err)
	}
	return conf
}

func startReplicated(t *testing.T) *replicated {
	t.Helper()
	r := &replicated{t: t, sockets: t.TempDir(), place: "b"}
	r.writer, r.standby = postgrestest.Servers(t, postgres.Migrate)
	conf := clusterConfig(t)
	rows, err := postgres.Open(postgres.Options{
		Domain: "chat.example", Copy: r.standby.Address("reading"), Now: time.Now,
		Writer: fmt.Sprintf("host=%[1]s,%[1]s port=%d,%d user=writing dbname=postgres target_session_attrs=read-write",
			r.writer.Sockets, r.writer.Port, r.standby.Port),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(rows.Close)
	rows.Observe(NewMachinesMetrics(&r.told, config.MemberNames(conf)...).observe)
	dir := t.TempDir()
	r.mailboxes = maildir.New(dir, "chat.example")
	accounts := &home.Accounts{
		Here: "b", Directory: rows, Mailboxes: r.mailboxes, Now: time.Now,
		Place: func(string) (string, error) { return r.place, nil },
	}
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	policy := &auth.Policy{
		Registration: auth.Open, MinLocal: 3, MaxLocal: 9, MinPassword: 9,
		PerMinute: 300, PerNetworkPerHour: 100, PerNetworkPerDay: 100, MaxLoad: 1000, Cost: auth.MinCost,
	}
	current := func() *auth.Policy { return policy }
	logins := auth.New(auth.Options{
		Domain: "chat.example", Accounts: accounts,
		Machine: &machine.Machine{Mailboxes: dir, NoCreate: filepath.Join(dir, "nocreate"), Now: time.Now},
		Policy:  current, Limiter: auth.NewRates(current, time.Now), Now: time.Now, Key: []byte("key"), Remember: 10, Workers: 2,
	})
	here := member.New(conf, accounts, rows.Writer, machines{r})
	dovecot := &authserver.Server{
		Handler: &handler{accounts: logins, rows: accounts, member: here, log: log, took: NewMetrics(&metric.Set{}).login},
		Log:     log, PID: 17,
	}
	tables := &socketmap.Server{Handler: member.Tables{Member: here, Log: log}, Log: log}
	r.serve("login", func(l net.Listener) error { return dovecot.ServeLogin(t.Context(), l) })
	r.serve("userdb", func(l net.Listener) error { return dovecot.ServeUserdb(t.Context(), l) })
	r.serve("homes", func(l net.Listener) error { return tables.Serve(t.Context(), l) })
	return r
}

// machines answer all.
type machines struct{ r *replicated }

func (machines) Alive(string) bool              { return true }
func (machines) Lost(string) bool               { return false }
func (m machines) Place(string) (string, error) { return m.r.place, nil }
func (machines) Admitted() error                { return nil }

func (r *replicated) serve(name string, serve func(net.Listener) error) {
	l, err := net.Listen("unix", filepath.Join(r.sockets, name))
	if err != nil {
		r.t.Fatal(err)
	}
	go func() {
		if err := serve(l); err != nil {
			r.t.Error(err)
		}
	}()
}

// dialogue says lines at a socket, and returns the first line that begins with one of the words.
func (r *replicated) dialogue(socket, lines string, words ...string) string {
	r.t.Helper()
	conn, err := net.Dial("unix", filepath.Join(r.sockets, socket))
	if err != nil {
		r.t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(postgrestest.Patience))
	if _, err := io.WriteString(conn, lines); err != nil {
		r.t.Fatal(err)
	}
	in := bufio.NewScanner(conn)
	for in.Scan() {
		for _, word := range words {
			if strings.HasPrefix(in.Text(), word) {
				return in.Text()
			}
		}
	}
	r.t.Fatalf("%s has not answered: %v", socket, in.Err())
	return ""
}

// login is the answer to a login, through another machine or not.
func (r *replicated) login(local, password, more string) string {
	r.t.Helper()
	response := base64.StdEncoding.EncodeToString([]byte("\x00" + local + "@chat.example\x00" + password))
	answer := r.dialogue("login", "VERSION\t1\t2\nCPID\t3001\nAUTH\t1\tPLAIN\tservice=imap\trip=192.0.2.1"+more+"\tresp="+response+"\n", "OK\t1", "FAIL\t1")
	return strings.ReplaceAll(answer, "\t", " ")
}

// user is what lmtp is told of a recipient, and home what Postfix is.
func (r *replicated) user(local string) string {
	r.t.Helper()
	answer := r.dialogue("userdb", "VERSION\t1\t2\nUSER\t1\t"+local+"@chat.example\n", "USER\t1", "NOTFOUND\t1", "FAIL\t1")
	word, _, _ := strings.Cut(answer, "\t")
	return word
}

func (r *replicated) home(local string) string {
	r.t.Helper()
	conn, err := net.Dial("unix", filepath.Join(r.sockets, "homes"))
	if err != nil {
		r.t.Fatal(err)
	}
	defer conn.Close()
	request := "homes " + local + "@chat.example"
	fmt.Fprintf(conn, "%d:%s,", len(request), request)
	answer, err := bufio.NewReader(conn).ReadString(',')
	if err != nil {
		r.t.Fatal(err)
	}
	_, text, _ := strings.Cut(answer, ":")
	return strings.TrimSpace(strings.TrimSuffix(text, ","))
}

// open does what Dovecot does when a client opens a mailbox.
func (r *replicated) open(local string) {
	r.t.Helper()
	addr, err := mailaddr.Parse(local+"@chat.example", "chat.example")
	if err == nil {
		err = os.WriteFile(filepath.Join(r.mailboxes.Home(addr), "dovecot-uidlist"), []byte("3 V1 N1\n"), 0o600)
	}
	if err != nil {
		r.t.Fatal(err)
	}
}

// TestReplicated has Dovecot's and Postfix's questions answered from PostgreSQL: while all is
// well, without the writer, without the copy, and without both.
func TestReplicated(t *testing.T) {
	const password = "password1"
	r := startReplicated(t)
	elsewhere := "OK 1 user=away@chat.example nologin proxy host=10.7.0.1 port=143 proxy_timeout=5 pass=" + password
	want := func(what, got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%s: got %q, want %q", what, got, want)
		}
	}
	r.eventually("a new account", func() bool { return r.login("here", password, "") == "OK 1 user=here@chat.example" })
	r.eventually("mail for it", func() bool { return r.user("here") == "FAIL" })
	r.open("here")
	r.place = "a"
	r.eventually("an account elsewhere", func() bool { return r.login("away", password, "") == elsewhere })
	want("again", r.login("here", password, ""), "OK 1 user=here@chat.example")
	want("a wrong password", r.login("away", "password2", ""), "FAIL 1 user=away@chat.example")
	want("by the other machine", r.login("here", password, "\treal_rip=10.7.0.1"), "OK 1 user=here@chat.example")
	want("to and fro", r.login("away", password, "\treal_rip=10.7.0.1"), "FAIL 1 user=away@chat.example code=temp_fail")
	for local, answers := range map[string][2]string{
		"here": {"USER", "NOTFOUND"}, "away": {"FAIL", "OK home:[10.7.0.1]:2525"}, "newcomer": {"NOTFOUND", "NOTFOUND"},
	} {
		r.eventually(local, func() bool { return r.user(local) == answers[0] && r.home(local) == answers[1] })
	}
	r.standby.Await("SELECT FROM accounts WHERE address LIKE 'away@%' AND answered")

	r.writer.Stop()
	for local, answers := range map[string][2]string{
		"here": {"USER", "NOTFOUND"}, "away": {"FAIL", "OK home:[10.7.0.1]:2525"},
		"newcomer": {"FAIL", "TEMP the directory of accounts is not available"},
	} {
		r.eventually("without the writer, "+local, func() bool { return r.user(local) == answers[0] && r.home(local) == answers[1] })
	}
	r.eventually("without the writer", func() bool {
		return r.login("here", password, "") == "OK 1 user=here@chat.example" && r.login("away", password, "") == elsewhere
	})
	want("a new account without the writer", r.login("newcomer", password, ""), "FAIL 1 user=newcomer@chat.example code=temp_fail")

	r.standby.Stop() // what is left are the mailboxes here
	want("without the directory", r.login("here", password, ""), "OK 1 user=here@chat.example")
	want("elsewhere, without the directory", r.login("away", password, ""), "FAIL 1 user=away@chat.example code=temp_fail")
	start := time.Now()
	for range 10 {
		want("once more", r.login("here", password, ""), "OK 1 user=here@chat.example")
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("ten logins without the directory took %v", took)
	}
	var told strings.Builder
	if err := r.told.Tell(&told); err != nil {
		t.Fatal(err)
	}
	for _, server := range []string{postgres.CopyServer, postgres.WriterServer} {
		for _, name := range []string{"chatmaild_directory_failures_total", "chatmaild_directory_seconds_count"} {
			if sample := "\n" + name + `{server="` + server + `"} `; !strings.Contains(told.String(), sample) || strings.Contains(told.String(), sample+"0\n") {
				t.Errorf("the metrics have no%s", sample)
			}
		}
	}

	r.writer.Start()
	r.standby.Start()
	r.eventually("all is back", func() bool { return r.login("away", password, "") == elsewhere })
	r.place = "b"
	r.eventually("and new accounts", func() bool { return r.login("newcomer", password, "") == "OK 1 user=newcomer@chat.example" })
}

// eventually waits for what servers do in their time: a machine with much else to do has
// deadlines pass that are for a relay.
func (r *replicated) eventually(what string, holds func() bool) {
	r.t.Helper()
	for end := time.Now().Add(postgrestest.Patience); !holds(); {
		if time.Now().After(end) {
			r.t.Fatalf("%s: it does not come", what)
		}
	}
}
