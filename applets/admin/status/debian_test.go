package status

import (
	"testing"

	"chatmaild/applets/admin/desired"
	"chatmaild/applets/admin/host/hosttest"
)

// TestDebian follows a machine through an upgrade of Debian.
func TestDebian(t *testing.T) {
	m := hosttest.New(t)
	want := func(level level, detail string) {
		t.Helper()
		if got := debian(m.Host); got.Level != level || got.Detail != detail || (got.Hint != "") != (level != fine) {
			t.Errorf("got %+v, want %s %q", got, level, detail)
		}
	}
	m.Write(desired.BookwormOnly, "[Service]\n")
	want(notice, "12; an upgrade to 13 keeps mail, accounts and this package, which then writes the configurations for 13 by itself; mail waits meanwhile")
	m.Write("/etc/os-release", "ID=debian\nVERSION_ID=\"13\"\n")
	want(trouble, "13; the configurations are still those for 12")
	if err := m.Remove(desired.BookwormOnly); err != nil {
		t.Fatal(err)
	}
	want(fine, "13")
	for _, at := range []string{"20261129T123000.000Z", "20261130T080000.000Z"} {
		m.Write(desired.Backups+"/"+at+desired.BookwormOnly, "[Service]\n")
	}
	want(fine, "13; upgraded from 12, whose configurations are in /var/backups/chatmaild/20261130T080000.000Z")
}
