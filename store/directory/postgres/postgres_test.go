package postgres

import (
	"errors"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"chatmaild/auth"
	"chatmaild/auth/mailaddr"
	"chatmaild/store/directory"
	"chatmaild/store/directory/directorytest"
	"chatmaild/store/invites"
	"chatmaild/store/invites/invitestest"
	"chatmaild/testdata/kit/postgrestest"
)

var account = auth.Account{Stored: "{PLAIN}x", EncryptedOnly: true, Home: "a"}

// TestServers has a writer and its standby, for all that follows: they take a while to be
// made. First, one server is both copy and writer, and its commits wait for the other one.
func TestServers(t *testing.T) {
	writer, standby := postgrestest.Servers(t, Migrate)
	directorytest.Accounts(t, func(t *testing.T) directory.Accounts {
		writer.Must("TRUNCATE accounts")
		return open(t, writer, writer)
	})
	t.Run("homes", func(t *testing.T) { testHomes(t, open(t, writer, writer)) })
	writer.Must("TRUNCATE accounts")
	t.Run("machines", func(t *testing.T) { testMachines(t, open(t, writer, writer), writer.Address("reading")) })
	invitestest.Tokens(t, func(t *testing.T) func() invites.Tokens {
		writer.Must("TRUNCATE invites")
		return func() invites.Tokens { return openInvites(t, writer) }
	})
	writer.Must("TRUNCATE accounts")
	t.Run("count", func(t *testing.T) { testCount(t, writer) })
	t.Run("versions", func(t *testing.T) { testVersions(t, writer) })
	t.Run("slots", func(t *testing.T) { testSlots(t, writer, standby) })
	t.Run("members", func(t *testing.T) { testMembers(t, writer, standby) })
	t.Run("certificates", func(t *testing.T) { testCertificates(t, writer, standby) })
	t.Run("settings", func(t *testing.T) { testSettings(t, writer) })
	t.Run("dump", func(t *testing.T) { testDump(t, writer, standby) })
	t.Run("migrate", func(t *testing.T) { testMigrate(t, writer) })
	t.Run("schemas", func(t *testing.T) { testSchemas(t, writer) })
	t.Run("setup", func(t *testing.T) { testSetup(t, writer, standby) })
	t.Run("rights", func(t *testing.T) { testRights(t, writer) })
	writer.Must("TRUNCATE accounts")
	t.Run("slow", func(t *testing.T) { testSlow(t, writer) })
	writer.Must("TRUNCATE accounts")
	t.Run("busy", func(t *testing.T) { testBusy(t, writer) })
	t.Run("connect", func(t *testing.T) { testConnect(t, writer) })
	writer.Must("TRUNCATE accounts")
	t.Run("failures", func(t *testing.T) { testFailures(t, writer, standby) })
}

func testHomes(t *testing.T, d directory.Accounts) {
	carol := directorytest.Address(t, "carol")
	if err := d.Create(t.Context(), carol, account); err != nil {
		t.Fatal(err)
	}
	now := account
	for _, next := range []auth.Account{
		{Stored: now.Stored, EncryptedOnly: true, Home: "a", MovingTo: "b"}, {Stored: now.Stored, EncryptedOnly: true, Home: "b"},
	} {
		if err := d.Change(t.Context(), carol, now, next); err != nil {
			t.Fatal(err)
		}
		if got, err := d.Account(t.Context(), carol); got != next || err != nil {
			t.Errorf("got %+v, %v; want %+v", got, err, next)
		}
		now = next
	}
}

// testMigrate migrates again, many at once, and then what a later program has changed.
func testMigrate(t *testing.T, writer *instance) {
	writer.Must(dropTables)
	if all, err := open(t, writer, writer).Machines(t.Context()); len(all) > 0 || err != nil {
		t.Errorf("before there is a table of machines: %v, %v", all, err)
	}
	if _, err := Members(t.Context(), writer.Address("reading")); !IsOlder(err) {
		t.Errorf("before there is a table of the list: %v", err)
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if err := Migrate(t.Context(), writer.Address("owner")); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	writer.Must("INSERT INTO directory_schema VALUES (1000); ALTER TABLE accounts ADD COLUMN later text NOT NULL DEFAULT ''")
	if err := Migrate(t.Context(), writer.Address("owner")); err != nil {
		t.Error(err)
	}
	d := open(t, writer, writer)
	if err := d.Create(t.Context(), directorytest.Address(t, "dora"), account); err != nil {
		t.Errorf("with a newer schema: %v", err)
	}
}

// testSetup makes a directory twice, and imports accounts twice.
func testSetup(t *testing.T, writer, standby *instance) {
	owner := func(database string) string {
		return strings.Replace(writer.Address("owner"), "dbname=postgres", "dbname="+database, 1)
	}
	found := Found{
		Owner: owner, Database: "set_up",
		Roles: []Role{{"user", "chatmaild_writer", "it's"}, {"copies", Replication, "it's"}, {"peer", "chatmaild_reader", ""}},
	}
	alice, bob := directorytest.Address(t, "alice"), directorytest.Address(t, "bob")
	blocked := auth.Account{Stored: auth.Block("{PLAIN}y"), Home: "b"}
	for range 2 {
		if err := found.Create(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []int64{2, 0} {
		added, err := Import(t.Context(), owner("set_up"), maps.All(map[mailaddr.Address]auth.Account{alice: account, bob: blocked}))
		if added != want || err != nil {
			t.Errorf("%d accounts were imported, %v; want %d", added, err, want)
		}
	}
	homes, err := Homes(t.Context(), owner("set_up"))
	if err != nil || !maps.Equal(homes, map[string]int{"a": 1, "b": 1}) {
		t.Errorf("the homes are %v, %v", homes, err)
	}
	if names, err := Followers(t.Context(), owner("postgres")); len(names) != 1 || err != nil {
		t.Errorf("%q copy the writer, %v", names, err)
	}
	for _, s := range []*instance{writer, standby} {
		state, err := Examine(t.Context(), s.Address("owner"))
		if err != nil || state.Writer != (s == writer) || state.Position == 0 {
			t.Errorf("got %+v, %v", state, err)
		}
	}
	if err := Promote(t.Context(), writer.Address("owner")); err == nil {
		t.Error("the writer is promoted")
	}
	writer.Must("DROP DATABASE set_up")
}

// testRights holds that no role of ours can do more than it has to.
func testRights(t *testing.T, writer *instance) {
	for role, statements := range map[string][]string{
		"reading": {
			"INSERT INTO accounts (address, stored, encrypted_only) VALUES ('x', '', true)", "UPDATE accounts SET home = 'b'",
			"DELETE FROM accounts", "SELECT * FROM directory_schema", "CREATE TABLE x ()", "INSERT INTO members VALUES ('d', '10.7.0.4')", "DELETE FROM settings",
		},
		"inviting":   {"SELECT * FROM accounts", "DELETE FROM invites", "UPDATE invites SET expires = 0", "INSERT INTO invites VALUES ('x', 1, 1, '')", "SELECT * FROM settings"},
		"certifying": {"SELECT * FROM accounts", "SELECT * FROM invites", "DELETE FROM certificates", "SELECT * FROM members"},
		"writing":    {"INSERT INTO members VALUES ('d', '10.7.0.4')", "DELETE FROM members", "UPDATE certificates SET chain = ''", "TRUNCATE accounts", "DROP TABLE accounts", "ALTER TABLE accounts DROP COLUMN home", "CREATE TABLE x ()", "CREATE ROLE x", "SELECT * FROM directory_schema"},
	} {
		s, err := newServer(writer.Address(role), patience, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		for _, statement := range statements {
			if _, _, err := s.query(t.Context(), statement); err == nil {
				t.Errorf("%s may: %s", role, statement)
			} else if !strings.Contains(err.Error(), "42501") { // insufficient_privilege
				t.Errorf("%s: %s: %v", role, statement, err)
			}
		}
		s.close()
	}
}

// create makes an account that must be answered.
func create(t *testing.T, d *Directory, local string) mailaddr.Address {
	t.Helper()
	addr := directorytest.Address(t, local)
	if err := d.Create(t.Context(), addr, account); err != nil {
		t.Fatal(err)
	}
	return addr
}

// cannotTell fails unless the directory says that it does not know.
func cannotTell(t *testing.T, d *Directory, addr mailaddr.Address) {
	t.Helper()
	d.writer.breaker.until = time.Time{} // as if the last fault were long ago
	if a, err := d.Account(t.Context(), addr); !errors.Is(err, directory.ErrUnavailable) {
		t.Errorf("got %+v, %v; want an error that may pass", a, err)
	}
}

// TestBadAddress holds that an error does not quote a password.
func TestBadAddress(t *testing.T) {
	_, err := Open(Options{Copy: "postgres://user:secret@[::1/x"})
	if err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte("{PLAIN}x"), []byte("t"), []byte("a"), []byte(""), []byte("f"), 5)
	f.Add([]byte(""), []byte("true"), []byte("a"), []byte("b"), []byte(""), 4)
	f.Fuzz(func(t *testing.T, stored, only, home, moving, answered []byte, n int) {
		values := [][]byte{stored, only, home, moving, answered}
		if n >= 0 && n < len(values) {
			values = values[:n]
		}
		row, err := decode(values)
		if err != nil {
			if (row != directory.Row{}) && row.Answered {
				t.Errorf("a row that makes no sense is answered: %+v", row)
			}
			return
		}
		want := []string{string(stored), map[string]string{"t": "true", "f": "false"}[string(only)], string(home), string(moving)}
		for i, got := range encode(row.Account) {
			if got != want[i] {
				t.Errorf("field %d is %q, want %q", i, got, want[i])
			}
		}
	})
}
