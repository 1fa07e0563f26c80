package cluster

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chatmaild/applets/admin/desired"
	"chatmaild/applets/command"
)

// TestUpgrade has upgrade refuse before anything is changed. That it does its work is shown
// by the lab, with Debian's own programs.
func TestUpgrade(t *testing.T) {
	const installed, copying, data = "/usr/lib/postgresql/17/bin/pg_upgrade", "/var/lib/postgresql/15/main/standby.signal", "/var/lib/postgresql/15/main/PG_VERSION"
	for _, test := range []struct {
		server  desired.PostgreSQL
		files   []string
		servers []string
		want    string
	}{
		{"17", nil, []string{"w 5", "c 5", "c 5"}, ""},
		{"15", nil, []string{"w 5", "c 5", "c 5"}, "PostgreSQL 17 is not installed"},
		{"15", []string{installed, copying}, []string{"w 5", "c 5", "c 5"}, "machine a, the writer, has PostgreSQL 15"},
		{"15", []string{installed, copying}, []string{"", "c 5", "c 5"}, "no machine is the writer"},
		{"15", []string{installed, data}, []string{"", "w 5", "c 5"}, "/etc/postgresql"},
	} {
		c := several(t, test.servers...)
		c.server, c.env = test.server, &command.Env{Stdout: new(bytes.Buffer)}
		for _, path := range append(test.files, "/etc/os-release") {
			path = filepath.Join(c.machine.Root, path)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte("ID=debian\nVERSION_ID=13\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.upgrade(t.Context()); (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: got %v", test, err)
		}
	}
}
