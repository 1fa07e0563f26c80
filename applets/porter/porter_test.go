package porter

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"chatmaild/applets/config"
	"chatmaild/applets/service/metric"
	"chatmaild/auth"
	"chatmaild/auth/mailaddr"
	"chatmaild/packaging/dovecot/dict"
	"chatmaild/push"
	"chatmaild/store/directory"
	"chatmaild/store/directory/move"
	"chatmaild/store/disk"
	"chatmaild/store/maildir"
)

const domain = "chat.example"

// rows is a directory of one account.
type rows struct {
	directory.Writer
	mu  sync.Mutex
	row auth.Account
}

func (r *rows) Word(context.Context, mailaddr.Address) (directory.Row, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return directory.Row{Account: r.row, Answered: true}, nil
}

func (r *rows) Read(ctx context.Context, addr mailaddr.Address) (directory.Row, error) {
	return r.Word(ctx, addr)
}

func (r *rows) Each(context.Context, func(mailaddr.Address) error) error { return nil }

func (r *rows) Replace(_ context.Context, _ mailaddr.Address, from, to auth.Account) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	done := r.row == from
	if done {
		r.row = to
	}
	return done, nil
}

// tokens is a metadata daemon that keeps one text.
type tokens struct {
	mu   sync.Mutex
	kept string
}

func (k *tokens) Lookup(context.Context, string, string) (string, bool, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.kept, true, nil
}

func (k *tokens) Iterate(context.Context, string, string, func(key, value string) error) error {
	return nil
}

func (k *tokens) Commit(_ context.Context, _ string, changes []dict.Change) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, c := range changes {
		if k.kept = c.Value; c.Unset && c.Key != push.TokensKey {
			return errors.New("what is forgotten?")
		}
	}
	return nil
}

func (k *tokens) get() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.kept
}

// ended counts the sessions that are ended.
type ended struct{ n int }

func (e *ended) end(context.Context, mailaddr.Address) error { e.n++; return nil }

func (e *ended) endKnown(context.Context, mailaddr.Address) error { e.n++; return nil }

// two is machines a and b, with the mailbox of alice on a.
type two struct {
	rows     *rows
	alice    mailaddr.Address
	a, b     maildir.Transit
	tokensA  *tokens
	tokensB  *tokens
	sessions *ended
	sender   *sender
	receiver *receiver
	peer     string // as whom the sender comes
	url      string
}

func machineConf(t *testing.T, name string) *config.Config {
	t.Helper()
	conf, err := config.Parse("test.toml", "mail_domain = \""+domain+"\"\nechobot = false\nmailboxes_dir = \""+t.TempDir()+
		"\"\n[cluster]\nname = \""+name+"\"\nmembers = [\"a 10.7.0.1\", \"b 10.7.0.2\", \"c 10.7.0.3\"]\n")
	if err != nil {
		t.Fatal(err)
	}
	return conf
}

func startTokens(t *testing.T, kept string) (*tokens, metadataSocket) {
	t.Helper()
	dir, err := os.MkdirTemp("", "porter") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "metadata")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	k := &tokens{kept: kept}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		server := dict.Server{Log: slog.New(slog.DiscardHandler), Handler: k}
		_ = server.Serve(ctx, l)
	}()
	t.Cleanup(func() { cancel(); <-done })
	return k, metadataSocket(socket)
}

func start(t *testing.T) *two {
	t.Helper()
	alice, err := mailaddr.Parse("alice@"+domain, domain)
	if err != nil {
		t.Fatal(err)
	}
	w := &two{
		rows: &rows{row: auth.Account{Stored: "{PLAIN}x", EncryptedOnly: true, Home: "a"}}, alice: alice,
		sessions: &ended{}, peer: "10.7.0.1:1234",
	}
	confA, confB := machineConf(t, "a"), machineConf(t, "b")
	w.a, w.b = maildir.Transit{Store: maildir.New(confA.MailboxesDir, domain)}, maildir.Transit{Store: maildir.New(confB.MailboxesDir, domain)}
	if err := w.a.Create(alice, w.rows.row, time.Now().AddDate(0, 0, -3)); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(w.a.Home(alice), "new"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(w.a.Home(alice), "new", "1"), []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	log, locks := slog.New(slog.NewTextHandler(t.Output(), nil)), newLocks()
	var socketA, socketB metadataSocket
	w.tokensA, socketA = startTokens(t, `{"tokens":[]}`)
	w.tokensB, socketB = startTokens(t, "")
	w.receiver = &receiver{
		conf: confB, writer: w.rows, secret: []byte("secret"), metadata: socketB, store: w.b, locks: newLocks(), log: log,
		admitted: func() error { return nil }, sync: &disk.Syncer{Dir: confB.MailboxesDir},
	}
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, q *http.Request) {
		q.RemoteAddr = w.peer
		w.receiver.ServeHTTP(rw, q)
	}))
	t.Cleanup(server.Close)
	w.url = server.URL
	client := newClient(config.Member{})
	client.Transport.(*http.Transport).DialContext = func(ctx context.Context, _, addr string) (net.Conn, error) {
		if addr != "10.7.0.2:2526" {
			t.Errorf("it connects to %s", addr)
		}
		return new(net.Dialer).DialContext(ctx, "tcp", server.Listener.Addr().String())
	}
	w.sender = &sender{
		conf: confA, secret: []byte("secret"), metadata: socketA, store: w.a, locks: locks, log: log, sessions: w.sessions,
		client: client, moved: NewMetrics(&metric.Set{}), lost: func(string) bool { return false },
	}
	w.sender.mover = move.Mover{Here: "a", Copy: w.rows, Writer: w.rows, Mailboxes: w.sender}
	return w
}

// TestMove moves a mailbox with all that belongs to it.
func TestMove(t *testing.T) {
	w := start(t)
	if err := move.Begin(t.Context(), w.rows, w.alice, "a", "b"); err != nil {
		t.Fatal(err)
	}
	if err := w.sender.move(t.Context(), w.alice); err != nil {
		t.Fatal(err)
	}
	if w.rows.row.Home != "b" || w.rows.row.MovingTo != "" || w.sessions.n != 2 {
		t.Errorf("the row is %+v; sessions were ended %d times", w.rows.row, w.sessions.n)
	}
	text, err := os.ReadFile(filepath.Join(w.b.Home(w.alice), "new", "1"))
	if string(text) != "text" || err != nil {
		t.Errorf("got %q, %v", text, err)
	}
	last, err := w.b.LastLogin(w.alice)
	if err != nil || time.Since(last) < 48*time.Hour {
		t.Errorf("the last login is %v, %v", last, err)
	}
	if only, err := w.b.EncryptedOnly(w.alice); !only || err != nil {
		t.Errorf("cleartext is accepted, %v", err)
	}
	if w.tokensB.get() != `{"tokens":[]}` || w.tokensA.get() != "" {
		t.Errorf("the tokens are %q, and %q where it was", w.tokensB.get(), w.tokensA.get())
	}
	if info, err := os.Lstat(w.a.Home(w.alice)); err != nil || info.IsDir() {
		t.Errorf("where it was is %v, %v", info, err)
	}
	// Once more does nothing.
	if err := w.sender.move(t.Context(), w.alice); err != nil {
		t.Error(err)
	}
}

// TestRefused: a mailbox is taken only from the machine and in the moment that the row says,
// and one that is not taken stays where it is.
func TestRefused(t *testing.T) {
	for name, change := range map[string]func(w *two){
		"from another address":        func(w *two) { w.peer = "10.7.0.3:1" },
		"from nobody":                 func(w *two) { w.peer = "192.0.2.1:1" },
		"by another secret":           func(w *two) { w.sender.secret = []byte("other") },
		"to one that is not admitted": func(w *two) { w.receiver.admitted = func() error { return errors.New("alone") } },
		"larger than any": func(w *two) {
			w.receiver.conf.MaxMailboxSize = 0
			if err := os.WriteFile(filepath.Join(w.a.Home(w.alice), "new", "2"), make([]byte, indexRoom+1), 0o600); err != nil {
				panic(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := start(t)
			change(w)
			if err := move.Begin(t.Context(), w.rows, w.alice, "a", "b"); err != nil {
				t.Fatal(err)
			}
			err := w.sender.move(t.Context(), w.alice)
			if err == nil || strings.Contains(err.Error(), "alice") {
				t.Errorf("got %v", err)
			}
			if _, err := w.b.Password(w.alice); !errors.Is(err, auth.ErrNoMailbox) {
				t.Errorf("it is there: %v", err)
			}
			if done, err := move.Cancel(t.Context(), w.rows, w.alice); !done || err != nil {
				t.Fatal(done, err)
			}
			if err := w.sender.move(t.Context(), w.alice); err != nil {
				t.Fatal(err)
			}
			if got, err := w.a.Password(w.alice); got != "{PLAIN}x" || err != nil {
				t.Errorf("where it was: %q, %v", got, err)
			}
		})
	}
}

// TestToLost: a mailbox that moves to a machine that is lost stays.
func TestToLost(t *testing.T) {
	w := start(t)
	w.sender.lost = func(machine string) bool { return machine == "b" }
	if err := move.Begin(t.Context(), w.rows, w.alice, "a", "b"); err != nil {
		t.Fatal(err)
	}
	if err := w.sender.move(t.Context(), w.alice); !errors.Is(err, errLost) {
		t.Errorf("got %v", err)
	}
	if err := w.sender.move(t.Context(), w.alice); err != nil {
		t.Error(err)
	}
	if got, err := w.a.Password(w.alice); got != "{PLAIN}x" || err != nil || w.rows.row.MovingTo != "" {
		t.Errorf("it is closed: %q, %v; %+v", got, err, w.rows.row)
	}
}

// TestForeignRequests get nothing but a refusal.
func TestForeignRequests(t *testing.T) {
	w := start(t)
	good := bearer + capability([]byte("secret"), "a", "b", w.alice)
	for _, tt := range []struct {
		method, path, from, token string
		want                      int
	}{
		{"GET", "/mailboxes/alice@chat.example", "a", good, http.StatusNotFound},
		{"PUT", "/", "a", good, http.StatusNotFound},
		{"PUT", "/mailboxes/", "a", good, http.StatusNotFound},
		{"PUT", "/mailboxes/alice@other.example", "a", good, http.StatusNotFound},
		{"PUT", "/mailboxes/ALICE@chat.example", "a", good, http.StatusNotFound},
		{"PUT", "/mailboxes/../x@chat.example", "a", good, http.StatusNotFound},
		{"PUT", "/mailboxes/alice@chat.example", "a", "", http.StatusForbidden},
		{"PUT", "/mailboxes/alice@chat.example", "b", good, http.StatusForbidden},
		{"PUT", "/mailboxes/alice@chat.example", "c", good, http.StatusForbidden},
		{"PUT", "/mailboxes/bob@chat.example", "a", good, http.StatusForbidden},
		{"PUT", "/mailboxes/alice@chat.example", "a", good, http.StatusConflict}, // it does not move
	} {
		q, err := http.NewRequestWithContext(t.Context(), tt.method, w.url+tt.path, strings.NewReader("{}\n"))
		if err != nil {
			t.Fatal(err)
		}
		q.Header.Set(fromHeader, tt.from)
		q.Header.Set("Authorization", tt.token)
		response, err := http.DefaultClient.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != tt.want {
			t.Errorf("%s %s from %q: got %d, want %d", tt.method, tt.path, tt.from, response.StatusCode, tt.want)
		}
	}
}

// TestTake: who comes later ends what was begun before, and gets its turn after it.
func TestTake(t *testing.T) {
	l, alice := newLocks(), mailaddr.Address{}
	first, release, ok := l.try(t.Context(), alice)
	if !ok {
		t.Fatal("nobody has it")
	}
	if _, _, ok := l.try(t.Context(), alice); ok {
		t.Error("two have it")
	}
	go func() {
		<-first.Done()
		release()
	}()
	_, release2, err := l.take(t.Context(), alice)
	if err != nil || first.Err() == nil {
		t.Fatal(err, first.Err())
	}
	release2()
	if len(l.held) > 0 {
		t.Error("it is still taken")
	}
}
