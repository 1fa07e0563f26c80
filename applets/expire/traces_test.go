package expire

import (
	"context"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"chatmaild/packaging/dovecot/dict"
	"chatmaild/push"
)

// forgetful notes whose tokens it is told to forget.
type forgetful struct{ accounts chan string }

func (f forgetful) Lookup(context.Context, string, string) (string, bool, error) {
	return "", false, nil
}

func (f forgetful) Iterate(context.Context, string, string, func(key, value string) error) error {
	return nil
}

func (f forgetful) Commit(_ context.Context, user string, changes []dict.Change) error {
	if len(changes) == 1 && changes[0] == (dict.Change{Key: push.TokensKey, Unset: true}) {
		f.accounts <- user
	}
	return nil
}

// The tokens of a mailbox go with it; without the daemon, the mailbox goes nevertheless.
func TestExpireForgetsTokens(t *testing.T) {
	for _, running := range []bool{true, false} {
		r := newExpiryRelay(t)
		conf := filepath.Join(r.dir, "chatmail.toml")
		text, err := os.ReadFile(conf)
		if err != nil {
			t.Fatal(err)
		}
		// A socket's path must be short.
		dir, err := os.MkdirTemp("", "expire")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.RemoveAll(dir) })
		r.write("chatmail.toml", string(text)+"runtime_dir = \""+dir+"\"\n")
		old := time.Now().AddDate(0, 0, -100)
		if err := os.Chtimes(r.write("mail/old@x.test/password", "x"), old, old); err != nil {
			t.Fatal(err)
		}
		told := forgetful{make(chan string, 2)}
		stop := func() {}
		if running {
			l, err := net.Listen("unix", filepath.Join(dir, "metadata.socket"))
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error)
			server := dict.Server{Log: slog.New(slog.DiscardHandler), Handler: told}
			go func() { done <- server.Serve(ctx, l) }()
			stop = func() { cancel(); <-done }
		}
		status, _, stderr := r.run("expire")
		stop()
		if status != 0 || there(filepath.Join(r.dir, "mail/old@x.test")) || !there(filepath.Join(r.dir, "mail/a@x.test")) {
			t.Errorf("running %v: status %d, %s", running, status, stderr)
		}
		if running {
			close(told.accounts)
			var got []string
			for account := range told.accounts {
				got = append(got, account)
			}
			if !slices.Equal(got, []string{"old@x.test"}) {
				t.Errorf("told to forget %q", got)
			}
		} else if !strings.Contains(stderr, "push tokens") || strings.Contains(stderr, "old@") {
			t.Errorf("the log without a daemon: %s", stderr)
		}
	}
}
