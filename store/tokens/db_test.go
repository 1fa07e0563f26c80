package tokens

import (
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"chatmaild/push"
)

// start is when the tests begin.
var start = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// people is a store of mailboxes: what is in it exists, with its metadata.json.
type people struct {
	mu    sync.Mutex
	boxes map[string]string
	fault error
}

func (p *people) Exists(account string) (bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, ok := p.boxes[account]
	return ok, p.fault
}

func (p *people) Legacy(account string) ([]byte, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if text := p.boxes[account]; text != "" {
		return []byte(text), p.fault
	}
	return nil, p.fault
}

func (p *people) add(account string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.boxes[account] = ""
}

func (p *people) remove(account string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.boxes, account)
}

func options(p *people) Options {
	return Options{
		Mailboxes: p,
		Now:       func() time.Time { return start },
		Log:       slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
}

func open(t testing.TB, path string, o Options) *DB {
	t.Helper()
	db, err := Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// fixture is a database with the accounts a@x and b@x.
func fixture(t testing.TB) (*DB, *people) {
	t.Helper()
	p := &people{boxes: map[string]string{"a@x": "", "b@x": ""}}
	return open(t, filepath.Join(t.TempDir(), "metadata.db"), options(p)), p
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func register(t testing.TB, db *DB, account string, tokens ...string) {
	t.Helper()
	for _, token := range tokens {
		must(t, db.Register(account, token, start))
	}
}

func texts(t testing.TB, db *DB, account string) string {
	t.Helper()
	tokens, err := db.Tokens(account)
	must(t, err)
	var all []string
	for _, token := range tokens {
		all = append(all, token.Text)
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

func notify(t testing.TB, db *DB, account string, now time.Time) []push.Key {
	t.Helper()
	keys, err := db.Notify(account, now)
	must(t, err)
	return keys
}

// takeDue takes all that is due.
func takeDue(t testing.TB, db *DB, now time.Time) []push.Entry {
	t.Helper()
	entries, _, err := db.TakeDue(now, 100)
	must(t, err)
	return entries
}

func size(t testing.TB, db *DB) int {
	t.Helper()
	stats, err := db.Stats()
	must(t, err)
	return stats.Entries
}
