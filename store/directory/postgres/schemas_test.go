package postgres

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"

	"chatmaild/applets/config"
	"chatmaild/store/directory"
	"chatmaild/store/directory/directorytest"
)

// dropTables removes what Migrate makes, but for the roles.
const dropTables = "DROP TABLE IF EXISTS accounts, machines, members, settings, invites, certificates, challenges, directory_schema"

// testSchemas has this program work with the directory of each earlier version, whose
// machine of the writer is not upgraded yet: accounts, their homes, and the list of machines, as
// far as that version had them. Then it is upgraded under the program.
func testSchemas(t *testing.T, writer *instance) {
	all, err := migrations()
	if err != nil {
		t.Fatal(err)
	}
	a, b := config.Member{Name: "a", Addr: netip.MustParseAddr("10.7.0.1")}, config.Member{Name: "b", Addr: netip.MustParseAddr("10.7.0.2")}
	const machines, members, disks = 2, 3, 4
	for n := range len(all) {
		writer.Must(dropTables)
		if err := migrate(t.Context(), writer.Address("owner"), all[:n+1]); err != nil {
			t.Fatal(err)
		}
		version := all[n].number
		if older, err := Older(t.Context(), writer.Address("owner")); older != (n < len(all)-1) || err != nil {
			t.Errorf("version %d: older: %t, %v", version, older, err)
		}
		t.Run("accounts", func(t *testing.T) {
			directorytest.Accounts(t, func(t *testing.T) directory.Accounts {
				writer.Must("TRUNCATE accounts")
				return open(t, writer, writer)
			})
		})
		writer.Must("TRUNCATE accounts")
		d := open(t, writer, writer)
		testHomes(t, d)
		known, err := d.Machines(t.Context())
		if err != nil || len(known) > 0 {
			t.Errorf("version %d: %v, %v", version, known, err)
		}
		if version >= machines {
			if err := d.Register(t.Context(), "a", "store", 5); err != nil {
				t.Errorf("version %d: %v", version, err)
			}
		}
		if version >= members {
			writer.Must("INSERT INTO members (name, address) VALUES ('a', '10.7.0.1'), ('b', '10.7.0.2')")
			if got, err := Members(t.Context(), writer.Address("reading")); !slices.Equal(got, []config.Member{a, b}) || err != nil {
				t.Errorf("version %d: %v, %v", version, got, err)
			}
		}
		if version >= disks {
			got, err := MachineDisks(t.Context(), writer.Address("reading"))
			if err != nil || len(got) != 1 || got[0].Store != "store" {
				t.Errorf("version %d: %v, %v", version, got, err)
			}
		}
		if err := SetVersion(t.Context(), writer.Address("writing"), "a", "1"); err != nil && !IsOlder(err) {
			t.Errorf("version %d: %v", version, err)
		}
		if err := Migrate(t.Context(), writer.Address("owner")); err != nil {
			t.Fatal(err)
		}
		create(t, d, "later")
		if err := SetVersion(t.Context(), writer.Address("writing"), "a", "1"); err != nil {
			t.Error(err)
		}
	}
}

// adds is a statement that a program of an earlier version does not notice.
var adds = regexp.MustCompile(`^(CREATE (TABLE|INDEX) |ALTER TABLE \w+ ADD COLUMN \w+ .*\bDEFAULT |GRANT |DO \$\$)`)

// TestSchemaAdds holds each migration to what machines of an earlier version can work with.
func TestSchemaAdds(t *testing.T) {
	all, err := migrations()
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile(`(?s)DO \$\$.*?END \$\$;`)
	comment := regexp.MustCompile(`(?m)^\s*--.*$`)
	for i, m := range all {
		if m.number != i+1 {
			t.Errorf("migration %d is called %d", i+1, m.number)
		}
		text := comment.ReplaceAllString(m.sql, "")
		for _, roles := range block.FindAllString(text, -1) {
			if strings.Contains(roles, "DROP") || strings.Contains(roles, "ALTER") {
				t.Errorf("version %d: %s", m.number, roles)
			}
		}
		for statement := range strings.SplitSeq(block.ReplaceAllString(text, ""), ";") {
			if statement = strings.Join(strings.Fields(statement), " "); statement != "" && !adds.MatchString(statement) {
				t.Errorf("version %d: %s", m.number, statement)
			}
		}
	}
}
