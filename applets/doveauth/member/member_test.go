package member

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"chatmaild/applets/config"
	"chatmaild/auth"
	"chatmaild/auth/mailaddr"
	"chatmaild/store/directory"
	"chatmaild/store/directory/home"
	"chatmaild/store/maildir"
)

// rows is a directory that does not change. An address that it has not is unknown to the
// writer, too; lost@ cannot be told.
type rows struct{ directory.Accounts }

func (rows) Account(_ context.Context, addr mailaddr.Address) (auth.Account, error) {
	switch local := addr.Local(); local {
	case "here", "opened", "away", "gone":
		return auth.Account{Stored: "{PLAIN}x", EncryptedOnly: true, Home: map[string]string{"here": "a", "opened": "a", "away": "b", "gone": "z"}[local]}, nil
	case "moving":
		return auth.Account{Stored: "{PLAIN}x", Home: "a", MovingTo: "b"}, nil
	case "lost":
		return auth.Account{}, directory.ErrUnavailable
	}
	return auth.Account{}, auth.ErrNoMailbox
}

var a, b = netip.MustParseAddr("10.7.0.1"), netip.MustParseAddr("10.7.0.2")

func configure(t *testing.T) *config.Config {
	t.Helper()
	conf, err := config.Parse("test.toml", "mail_domain = \"chat.example\"\n[cluster]\nname = \"a\"\nmembers = [\"a 10.7.0.1\", \"b 10.7.0.2\"]\n")
	if err != nil {
		t.Fatal(err)
	}
	return conf
}

// open returns machine a; b answers as long as alive is true.
func open(t *testing.T, alive *bool) (m *Member, mailboxes *maildir.Store) {
	mailboxes = maildir.New(t.TempDir(), "chat.example")
	accounts := &home.Accounts{Here: "a", Directory: rows{}, Mailboxes: mailboxes, Now: time.Now}
	return New(configure(t), accounts, nil, &machines{alive: alive}), mailboxes
}

// machines is what machine a knows.
type machines struct {
	alive    *bool
	lost     string
	admitted error
}

func (m *machines) Alive(string) bool            { return *m.alive }
func (m *machines) Lost(name string) bool        { return name == m.lost }
func (m *machines) Place(string) (string, error) { return "a", nil }
func (m *machines) Admitted() error              { return m.admitted }

func TestSession(t *testing.T) {
	alive := true
	m, mailboxes := open(t, &alive)
	client := netip.MustParseAddr("192.0.2.1")
	for _, test := range []struct {
		user  string
		via   netip.Addr
		alive bool
		want  netip.AddrPort
		err   error
	}{
		{"here", netip.Addr{}, true, netip.AddrPort{}, nil},
		{"here", b, true, netip.AddrPort{}, nil},
		{"away", netip.Addr{}, true, netip.AddrPortFrom(b, 143), nil},
		{"away", client, true, netip.AddrPortFrom(b, 143), nil}, // nginx, or a proxy in front
		{"away", b, true, netip.AddrPort{}, errHandedOn},
		{"away", a, true, netip.AddrPort{}, errHandedOn},
		{"away", netip.Addr{}, false, netip.AddrPort{}, errSilent},
		{"moving", netip.Addr{}, true, netip.AddrPort{}, errMoving},
		{"lost", netip.Addr{}, true, netip.AddrPort{}, directory.ErrUnavailable},
	} {
		alive = test.alive
		got, err := m.Session(t.Context(), test.user+"@chat.example", test.via)
		if got != test.want || !errors.Is(err, test.err) {
			t.Errorf("%s via %v: got %v, %v; want %v, %v", test.user, test.via, got, err, test.want, test.err)
		}
	}
	if _, err := m.Session(t.Context(), "gone@chat.example", netip.Addr{}); err == nil || !strings.Contains(err.Error(), `"z"`) {
		t.Errorf("a machine that is not in the configuration: %v", err)
	}
	for name, want := range map[string]error{"here": nil, "away": auth.ErrNoMailbox, "moving": auth.ErrNoMailbox} {
		addr, _ := mailaddr.Parse(name+"@chat.example", "chat.example")
		if _, err := mailboxes.Password(addr); !errors.Is(err, want) {
			t.Errorf("the mailbox of %s: got %v, want %v", name, err, want)
		}
	}
}

func TestMailbox(t *testing.T) {
	alive := true
	m, mailboxes := open(t, &alive)
	for name, want := range map[string]error{"here": errUnopened, "opened": nil, "away": errElsewhere, "moving": errMoving, "lost": directory.ErrUnavailable} {
		addr, err := mailaddr.Parse(name+"@chat.example", "chat.example")
		if err != nil {
			t.Fatal(err)
		}
		if name == "opened" { // as Dovecot does
			if _, err := m.Session(t.Context(), addr.String(), netip.Addr{}); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(mailboxes.Home(addr), "dovecot-uidlist"), []byte("3 V1 N1\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := m.Mailbox(t.Context(), addr); !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", name, err, want)
		}
	}
}

func TestTables(t *testing.T) {
	alive := false // mail waits in Postfix's queue
	m, _ := open(t, &alive)
	var log strings.Builder
	tables := Tables{m, slog.New(slog.NewTextHandler(&log, nil))}
	for _, test := range []struct {
		table, key, want string
		found            bool
		fault            bool
	}{
		{homes, "here@chat.example", "", false, false},
		{homes, "away@chat.example", "home:[10.7.0.2]:2525", true, false},
		{homes, "away+folder@chat.example", "", false, false}, // Postfix asks without it, too
		{homes, "nobody@chat.example", "", false, false},
		{homes, "away@other.example", "", false, false},
		{homes, "chat.example", "", false, false},
		{homes, "moving@chat.example", "", false, true},
		{homes, "lost@chat.example", "", false, true},
		{here, "here@chat.example", "", false, false},
		{here, "away@chat.example", notHere, true, false},
		{here, "nobody@chat.example", "", false, false},
		{here, "lost@chat.example", "", false, true},
		{"others", "here@chat.example", "", false, true},
	} {
		value, found, err := tables.Lookup(t.Context(), test.table, test.key)
		if value != test.want || found != test.found || (err != nil) != test.fault {
			t.Errorf("%s %s: got %q, %t, %v", test.table, test.key, value, found, err)
		}
	}
	if strings.Contains(log.String(), "@") {
		t.Errorf("the log names a user: %s", &log)
	}
}

// TestWatch has b fall silent for a while.
func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWatch(configure(t))
		var silent atomic.Bool
		w.dial = func(_ context.Context, addr netip.AddrPort) error {
			if addr != netip.AddrPortFrom(b, 80) {
				t.Errorf("%v is asked", addr)
			}
			if silent.Load() {
				return errors.New("no answer")
			}
			return nil
		}
		go w.Run(t.Context())
		for _, step := range []struct{ silent, alive bool }{{false, true}, {true, true}, {true, false}, {true, false}, {false, true}} {
			silent.Store(step.silent)
			time.Sleep(askEvery)
			synctest.Wait()
			if got := w.Alive("b"); got != step.alive {
				t.Errorf("silent: %t; alive: got %t, want %t", step.silent, got, step.alive)
			}
		}
	})
}

// TestNotAdmitted: what is at home here stays closed; the others are handed on.
func TestNotAdmitted(t *testing.T) {
	alive := true
	m, mailboxes := open(t, &alive)
	alone := errors.New("alone")
	m.machines = &machines{alive: &alive, admitted: alone}
	if _, err := m.Session(t.Context(), "here@chat.example", netip.Addr{}); !errors.Is(err, alone) {
		t.Errorf("got %v", err)
	}
	if got, err := m.Session(t.Context(), "away@chat.example", netip.Addr{}); got.Addr() != b || err != nil {
		t.Errorf("got %v, %v", got, err)
	}
	addr, _ := mailaddr.Parse("here@chat.example", "chat.example")
	if _, err := mailboxes.Password(addr); !errors.Is(err, auth.ErrNoMailbox) {
		t.Errorf("a mailbox was made: %v", err)
	}
}

// rescuer is a writer that takes any change.
type rescuer struct {
	directory.Writer
	to auth.Account
}

func (r *rescuer) Replace(_ context.Context, _ mailaddr.Address, _, to auth.Account) (bool, error) {
	r.to = to
	return true, nil
}

// TestLost: whose home is lost gets another one, by a login or by mail.
func TestLost(t *testing.T) {
	alive := true
	m, mailboxes := open(t, &alive)
	w := &rescuer{}
	m.machines, m.writer = &machines{alive: &alive, lost: "b"}, w
	if got, err := m.Session(t.Context(), "away@chat.example", netip.Addr{}); got != (netip.AddrPort{}) || err != nil {
		t.Errorf("got %v, %v", got, err)
	}
	if want := (auth.Account{Stored: "{PLAIN}x", EncryptedOnly: true, Home: "a"}); w.to != want {
		t.Errorf("the row is %+v, want %+v", w.to, want)
	}
	addr, _ := mailaddr.Parse("away@chat.example", "chat.example")
	if got, err := mailboxes.Password(addr); got != "{PLAIN}x" || err != nil {
		t.Errorf("its mailbox: %q, %v", got, err)
	}
}

// TestWaits: a login waits while a mailbox moves, for a while.
func TestWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		alive := true
		m, _ := open(t, &alive)
		start := time.Now()
		if _, err := m.Session(t.Context(), "moving@chat.example", netip.Addr{}); !errors.Is(err, errMoving) {
			t.Errorf("got %v", err)
		}
		if waited := time.Since(start); waited != movingWait {
			t.Errorf("it has waited %v, want %v", waited, movingWait)
		}
	})
}
