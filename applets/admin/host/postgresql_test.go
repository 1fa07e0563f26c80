package host

import (
	"testing"

	"chatmaild/applets/admin/desired"
)

// TestPostgreSQL has the directory of accounts stay where it is when Debian is upgraded.
func TestPostgreSQL(t *testing.T) {
	const bookworm, trixie = "ID=debian\nVERSION_ID=\"12\"\n", "ID=debian\nVERSION_ID=\"13\"\n"
	const old, new = "/etc/postgresql/15/main/", "/etc/postgresql/17/main/"
	for _, test := range []struct {
		release string
		files   []string
		want    desired.PostgreSQL
	}{
		{bookworm, nil, "15"},
		{trixie, nil, "17"},
		{trixie, []string{old + "postgresql.conf", new + "postgresql.conf"}, "17"},
		{trixie, []string{old + "conf.d/chatmaild.conf", new + "postgresql.conf"}, "15"},
		{trixie, []string{old + "conf.d/chatmaild.conf", new + "conf.d/chatmaild.conf"}, "17"},
	} {
		files := map[string]string{"/etc/os-release": test.release}
		for _, path := range test.files {
			files[path] = ""
		}
		if got := PostgreSQL(machine(t, files)); got != test.want {
			t.Errorf("%q, %q: got %s, want %s", test.release, test.files, got, test.want)
		}
	}
}
