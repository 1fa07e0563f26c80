package postgres

import (
	"bytes"
	"maps"
	"strings"
	"testing"
	"time"

	"chatmaild/auth"
	"chatmaild/auth/mailaddr"
	"chatmaild/store/directory/directorytest"
	"chatmaild/store/invites"
)

// testDump has a directory come back from a dump of its copy, and one that has changed since
// keep what it has.
func testDump(t *testing.T, writer, standby *instance) {
	writer.Must("TRUNCATE accounts, invites, settings, certificates")
	d, invited := open(t, writer, writer), openInvites(t, writer)
	odd := auth.Account{Stored: "{PLAIN}a\tb\\.\nc", EncryptedOnly: true, Home: "a", MovingTo: "b"}
	alice, bob := create(t, d, "alice"), directorytest.Address(t, "bob")
	if err := d.Create(t.Context(), bob, odd); err != nil {
		t.Fatal(err)
	}
	if _, err := invited.Create(t.Context(), "token", 2, time.Now().Add(time.Hour), "friends", time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := Set(t.Context(), writer.Address("writing"), "nocreate", "on"); err != nil {
		t.Fatal(err)
	}
	standby.Await("SELECT FROM settings")
	var dump bytes.Buffer
	if err := Dump(t.Context(), standby.Address("owner"), &dump); err != nil {
		t.Fatal(err)
	}
	writer.Must("TRUNCATE accounts, invites, settings")
	changed := account
	changed.Home = "c"
	if err := d.Create(t.Context(), alice, changed); err != nil {
		t.Fatal(err)
	}
	for _, want := range []int64{3, 0} { // bob, the invite, nocreate
		if added, err := Load(t.Context(), writer.Address("owner"), bytes.NewReader(dump.Bytes())); added != want || err != nil {
			t.Errorf("%d rows were added, %v; want %d", added, err, want)
		}
	}
	if a, err := d.Account(t.Context(), alice); a != changed || err != nil {
		t.Errorf("what was there has become %+v, %v", a, err)
	}
	odd.MovingTo = "" // the move is over
	if a, err := d.Account(t.Context(), bob); a != odd || err != nil {
		t.Errorf("got %+v, %v", a, err)
	}
	var alone bytes.Buffer
	carol := directorytest.Address(t, "carol")
	if err := DumpAccounts(&alone, maps.All(map[mailaddr.Address]auth.Account{alice: odd, carol: odd})); err != nil {
		t.Fatal(err)
	}
	for _, want := range []int64{1, 0} {
		if added, err := Load(t.Context(), writer.Address("owner"), bytes.NewReader(alone.Bytes())); added != want || err != nil {
			t.Errorf("%d rows were added, %v; want %d", added, err, want)
		}
	}
	if a, err := d.Account(t.Context(), carol); a != odd || err != nil {
		t.Errorf("got %+v, %v", a, err)
	}
	if err := invited.Use(t.Context(), "token", time.Now()); err != nil {
		t.Error(err)
	}
	if err := invited.Use(t.Context(), "other", time.Now()); err != invites.ErrNotValid {
		t.Error(err)
	}
	text := dump.String()
	for name, damaged := range map[string]string{
		"nothing": "", "half": text[:len(text)/2], "another table": strings.Replace(text, "COPY settings", "COPY pg_authid", 1),
		"a row that is none": strings.Replace(text, "alice@", "\talice@", 1),
	} {
		writer.Must("TRUNCATE accounts, invites, settings")
		if _, err := Load(t.Context(), writer.Address("owner"), strings.NewReader(damaged)); err == nil {
			t.Errorf("%s is loaded", name)
		}
		if n, err := writer.SQL("SELECT FROM accounts"); n != 0 || err != nil {
			t.Errorf("%s leaves %d accounts, %v", name, n, err)
		}
	}
	writer.Must("TRUNCATE accounts, invites, settings, certificates")
}
