package postgres

import (
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"chatmaild/auth"
	"chatmaild/auth/mailaddr"
	"chatmaild/store/directory"
	"chatmaild/store/directory/directorytest"
)

// testFailures has the writer and its standby fail, one after the other.
func testFailures(t *testing.T, writer, standby *instance) {
	d := open(t, standby, writer, standby)
	alice, nobody := create(t, d, "alice"), directorytest.Address(t, "nobody")
	standby.Await("SELECT FROM accounts WHERE answered")

	// The copy of this machine lags: the writer has the last word.
	standby.Must("SELECT pg_wal_replay_pause()")
	bob := create(t, d, "bob")
	for addr, want := range map[mailaddr.Address]error{alice: nil, bob: nil, nobody: auth.ErrNoMailbox} {
		if _, err := d.Account(t.Context(), addr); !errors.Is(err, want) {
			t.Errorf("while the copy lags, %s: got %v, want %v", addr.Local(), err, want)
		}
	}
	standby.Must("SELECT pg_wal_replay_resume()")
	needing := func(copies int) error {
		d, err := Open(Options{
			Domain: directorytest.Domain, Copy: standby.Address("reading"),
			Writer: writer.Address("writing") + " target_session_attrs=read-write", Copies: copies, Now: time.Now,
		})
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		d.writer.waits(patience)
		_, err = d.Account(t.Context(), nobody)
		return err
	}
	if err := needing(1); !errors.Is(err, auth.ErrNoMailbox) {
		t.Errorf("a writer with one copy: %v", err)
	}
	if err := needing(2); !errors.Is(err, directory.ErrUnavailable) || !strings.Contains(err.Error(), "1 machines copy it") {
		t.Errorf("a writer that lacks a copy: %v", err)
	}

	// No machine confirms what the writer commits: it says nothing, neither to itself.
	alone := open(t, writer, writer)
	for addr, want := range map[mailaddr.Address]error{alice: nil, nobody: auth.ErrNoMailbox} {
		if _, err := alone.Account(t.Context(), addr); !errors.Is(err, want) {
			t.Errorf("before, %s: got %v, want %v", addr.Local(), err, want)
		}
	}
	standby.Stop()
	alone.writer.waits(5 * time.Second)
	carol := directorytest.Address(t, "carol")
	if err := alone.Create(t.Context(), carol, account); !errors.Is(err, directory.ErrUnavailable) {
		t.Errorf("an account on one machine: %v", err)
	}
	writer.Await("SELECT FROM accounts WHERE address LIKE 'carol@%'") // PostgreSQL shows it nevertheless
	cannotTell(t, alone, carol)
	cannotTell(t, alone, nobody)
	if err := Abandon(t.Context(), writer.Address("owner"), "gone"); err != nil {
		t.Errorf("of two machines, one is given up: %v", err)
	}

	// The writer crashes and comes back alone: its row is no more on two machines than before.
	writer.Stop()
	writer.Start()
	alone = open(t, writer, writer)
	alone.writer.waits(5 * time.Second)
	cannotTell(t, alone, carol)
	standby.Start()
	writer.Await("SELECT FROM pg_stat_replication WHERE sync_state = 'quorum'")
	if a, err := open(t, writer, writer).Account(t.Context(), carol); a != account || err != nil {
		t.Errorf("with the standby: got %+v, %v", a, err)
	}
	standby.Await("SELECT FROM accounts WHERE address LIKE 'carol@%' AND answered")

	// No writer: nothing that exists stops.
	writer.Stop()
	d = open(t, standby, writer, standby)
	for _, addr := range []mailaddr.Address{alice, bob, carol} {
		if a, err := d.Account(t.Context(), addr); a != account || err != nil {
			t.Errorf("without a writer, %s: got %+v, %v", addr.Local(), a, err)
		}
	}
	cannotTell(t, d, nobody)
	if err := d.Create(t.Context(), nobody, account); !errors.Is(err, directory.ErrUnavailable) {
		t.Errorf("a new account without a writer: %v", err)
	}

	// The standby becomes the writer; ours finds it by itself.
	if err := Promote(t.Context(), standby.Address("owner")); err != nil {
		t.Fatal(err)
	}
	d = open(t, standby, writer, standby)
	if _, err := d.Account(t.Context(), nobody); !errors.Is(err, auth.ErrNoMailbox) {
		t.Errorf("with the new writer: %v", err)
	}
	create(t, d, "dora")
}

// testSlow has a copy that takes questions and does not answer: the first look-up waits
// for its deadline, those after it for nothing.
func testSlow(t *testing.T, writer *instance) {
	l, err := net.Listen("unix", filepath.Join(writer.Sockets, ".s.PGSQL.5433"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	now := time.Now()
	d := open(t, writer, writer)
	alice := create(t, d, "alice")
	slow := *writer
	slow.Port = 5433
	d, err = Open(Options{Domain: directorytest.Domain, Copy: slow.Address("reading"), Writer: writer.Address("writing"), Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	d.writer.waits(patience)
	if a, err := d.Account(t.Context(), alice); a != account || err != nil {
		t.Errorf("got %+v, %v", a, err)
	}
	l.Close() // what asks it now is refused, not kept waiting
	if _, err := d.Copy.Read(t.Context(), alice); err == nil || !strings.Contains(err.Error(), "a moment ago") {
		t.Errorf("the breaker is closed: %v", err)
	}
	now = now.Add(openFor)
	if _, err := d.Copy.Read(t.Context(), alice); err == nil || strings.Contains(err.Error(), "a moment ago") {
		t.Errorf("the breaker stays open: %v", err)
	}
}

// slowly is a server before another one: what that one says passes once a wait is over.
func slowly(t *testing.T, writer *instance, port int, wait func()) *instance {
	t.Helper()
	l, err := net.Listen("unix", filepath.Join(writer.Sockets, fmt.Sprintf(".s.PGSQL.%d", port)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("unix", filepath.Join(writer.Sockets, fmt.Sprintf(".s.PGSQL.%d", writer.Port)))
			if err != nil {
				client.Close()
				return
			}
			go func() {
				io.Copy(server, client)
				server.Close()
			}()
			go func() {
				wait()
				io.Copy(client, server)
				client.Close()
			}()
		}
	}()
	slow := *writer
	slow.Port = port
	return &slow
}

// testBusy has a copy that takes a while to connect, as where all processors are busy: it is waited
// for.
func testBusy(t *testing.T, writer *instance) {
	alice := create(t, open(t, writer, writer), "alice")
	busy := slowly(t, writer, 5434, func() { <-time.After(connectDeadline / 4) })
	d, err := Open(Options{Domain: directorytest.Domain, Copy: busy.Address("reading"), Writer: writer.Address("writing"), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if row, err := d.Copy.Read(t.Context(), alice); row.Account != account || err != nil {
		t.Errorf("got %+v, %v", row, err)
	}
}

// testConnect: of several servers, one that does not answer does not keep the next one from being
// tried, and is taken if it answers in the end. The more there are, the shorter is that.
func testConnect(t *testing.T, writer *instance) {
	const many = 500
	others := make(chan struct{})
	once := sync.OnceFunc(func() { close(others) })
	busy := slowly(t, writer, 5435, func() { <-others })
	silent := slowly(t, writer, 5436, func() { once(); <-t.Context().Done() })
	for name, tt := range map[string]struct {
		hosts []*instance
		fails bool
	}{
		"the first is slow":            {[]*instance{busy, silent}, false},
		"the first is silent":          {[]*instance{silent, writer}, false},
		"all are silent, or not there": {[]*instance{silent, silent}, true},
	} {
		t.Run(name, func(t *testing.T) {
			within := patience
			if tt.fails {
				within = time.Second
			}
			var hosts []*pgconn.Config
			for _, s := range tt.hosts {
				host, err := pgconn.ParseConfig(s.Address("reading"))
				if err != nil {
					t.Fatal(err)
				}
				hosts = append(hosts, host)
			}
			for len(hosts) < many {
				none := hosts[0].Copy()
				none.Port = 5437
				hosts = append(hosts, none)
			}
			conn, err := connect(t.Context(), hosts, within)
			if (err != nil) != tt.fails {
				t.Fatal(err)
			}
			if err == nil {
				_ = conn.Close(t.Context())
			}
		})
	}
}

func TestBreaker(t *testing.T) {
	now := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	b := breaker{now: func() time.Time { return now }}
	if err := b.closed(); err != nil {
		t.Error(err)
	}
	fault := errors.New("fault")
	for _, wait := range []time.Duration{openFor, -time.Hour} {
		b.failed(fault)
		if err := b.closed(); !errors.Is(err, fault) {
			t.Errorf("after a fault: %v", err)
		}
		now = now.Add(wait)
		if err := b.closed(); err != nil {
			t.Errorf("%v later: %v", wait, err)
		}
	}
}
