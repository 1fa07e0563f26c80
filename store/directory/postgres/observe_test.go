package postgres

import (
	"slices"
	"testing"
	"time"

	"chatmaild/auth"
	"chatmaild/store/directory/directorytest"
)

// testCount counts accounts by the beginnings of their addresses, which are no patterns.
func testCount(t *testing.T, writer *instance) {
	d := open(t, writer, writer)
	for _, local := range []string{"ci-1", "ac_1", "acx1", "dora", "eve"} {
		if err := d.Create(t.Context(), directorytest.Address(t, local), account); err != nil {
			t.Fatal(err)
		}
	}
	if begin, all, err := Count(t.Context(), writer.Address("reading"), []string{"ci-", "ac_"}); begin != 2 || all != 5 || err != nil {
		t.Errorf("got %d of %d, %v; want 2 of 5", begin, all, err)
	}
	if begin, all, err := Count(t.Context(), writer.Address("reading"), nil); begin != 0 || all != 5 || err != nil {
		t.Errorf("of no beginning: got %d of %d, %v", begin, all, err)
	}
	if _, _, err := Count(t.Context(), writer.Address("inviting"), nil); err == nil {
		t.Error("the web daemon reads the accounts")
	}
}

// testVersions: a machine that has registered says which version it has.
func testVersions(t *testing.T, writer *instance) {
	d := open(t, writer, writer)
	if err := d.Register(t.Context(), "v", "store", 1); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"", "0.2.0", "0.2.1~it's"} {
		if want != "" {
			for _, machine := range []string{"v", "unknown"} {
				if err := SetVersion(t.Context(), writer.Address("writing"), machine, want); err != nil {
					t.Fatal(err)
				}
			}
		}
		all, err := Versions(t.Context(), writer.Address("reading"))
		got, known := all["v"]
		if _, other := all["unknown"]; got != want || !known || other || err != nil {
			t.Errorf("got %v, %v; want %q", all, err, want)
		}
	}
	writer.Must("ALTER TABLE machines RENAME COLUMN version TO later")
	if _, err := Versions(t.Context(), writer.Address("reading")); !IsOlder(err) {
		t.Errorf("of an earlier directory: %v", err)
	}
	writer.Must("ALTER TABLE machines RENAME COLUMN later TO version")
}

// testSlots: each user that connects sees how much of the log is kept for slots, and how many copy
// the server.
func testSlots(t *testing.T, writer, standby *instance) {
	writer.Must("SELECT pg_create_physical_replication_slot('b_s', true), pg_create_physical_replication_slot('idle')")
	defer writer.Must("SELECT pg_drop_replication_slot('b_s'), pg_drop_replication_slot('idle')")
	writer.Must("SELECT pg_switch_wal() FROM pg_logical_emit_message(false, 'x', 'x')")
	writer.Must("SELECT pg_logical_emit_message(false, 'x', 'x')")
	for _, role := range []string{"reading", "inviting"} {
		got, err := Examine(t.Context(), writer.Address(role))
		if err != nil {
			t.Fatal(err)
		}
		// One that was never used keeps nothing.
		if !slices.ContainsFunc(got.Slots, func(s Slot) bool { return s.Name == "b_s" && s.Kept > 0 }) || len(got.Slots) != 1 || got.Followers != 1 {
			t.Errorf("as %s: got %+v", role, got)
		}
	}
	if got, err := Examine(t.Context(), standby.Address("inviting")); len(got.Slots) != 0 || got.Followers != 0 || got.Writer || err != nil {
		t.Errorf("the copy: got %+v, %v", got, err)
	}
}

// TestObserve has questions observed: at a server that answers none, the second one is not even
// asked.
func TestObserve(t *testing.T) {
	now := time.Now()
	d, err := Open(Options{
		Domain: directorytest.Domain, Copy: "host=" + t.TempDir() + " user=reading", Writer: "host=" + t.TempDir() + " user=writing",
		Now: func() time.Time { return now },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	var got []string
	d.Observe(func(server string, _ time.Duration, failed bool) {
		if !failed {
			server += ", which answers"
		}
		got = append(got, server)
	})
	for range 2 {
		if _, err := d.Account(t.Context(), directorytest.Address(t, "alice")); err == nil || err == auth.ErrNoMailbox {
			t.Errorf("got %v", err)
		}
	}
	if want := []string{CopyServer, WriterServer}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
