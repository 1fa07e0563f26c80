package lab

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chatmaild/testdata/lab/debian"
	"chatmaild/testdata/lab/program"
)

// debianUpgradeTimeout bounds apt full-upgrade and the reboot after it.
const debianUpgradeTimeout = 15 * time.Minute

// TestClusterUpgrade takes three machines from Debian 12 to 13, one after the other, and
// the directory from PostgreSQL 15 to 17, as chatmaild-cluster(7) says. Meanwhile accounts
// are served by machines of both, and real clients write to each other.
func TestClusterUpgrade(t *testing.T) {
	c := &several{members: map[string]string{}, since: time.Now().Unix()}
	var deb string
	c.lab, deb = newLabOn(t, debian.Bookworm)
	c.start(t, deb)
	c.outside = addStation(t, c.lab, "outside")
	c.leads(t, c.machines[0])
	f := &faulty{several: c, u: startUnderwayOn(t, c.lab, c.machines[0])}
	inTurn(t, f, []step[*faulty]{
		{"Debian 12", func(f *faulty, t *testing.T) { f.serve(t) }},
		{"one machine has Debian 13", func(f *faulty, t *testing.T) { f.fullUpgrade(t, 'b') }},
		{"two have", func(f *faulty, t *testing.T) { f.fullUpgrade(t, 'c') }},
		{"all have", func(f *faulty, t *testing.T) { f.fullUpgrade(t, 'a') }},
		{"PostgreSQL 17", (*faulty).newPostgreSQL},
	})
	f.u.stop()
	f.u.over.Wait()
	f.u.settle(t)
}

// trixie is a repository with what the machines need for Debian 13, PostgreSQL too.
func trixie(ctx context.Context, t *testing.T) string {
	t.Helper()
	repository := filepath.Join(t.TempDir(), "trixie")
	system, err := debian.FullUpgrade(ctx, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	server, err := debian.PostgreSQL(ctx, t.Output(), debian.Trixie)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := program.Run(ctx, "sh", "-euc", `mkdir "$1"; cp "$2"/*.deb "$1"; cp "$3"/*.deb "$1"; cd "$1"; dpkg-scanpackages . >Packages`,
		"collect", repository, system, server); err != nil {
		t.Fatal(err)
	}
	return repository
}

// fullUpgrade upgrades one machine, while the others serve the users at home there.
func (f *faulty) fullUpgrade(t *testing.T, name rune) {
	at := f.machine(name)
	others := strings.ReplaceAll("abc", string(name), "")
	ctx := deadline(t, debianUpgradeTimeout)
	leader, err := at.Leader()
	if err != nil {
		t.Fatal(err)
	}
	const packages = "/srv/trixie"
	if err := os.CopyFS(fmt.Sprintf("/proc/%d/root%s", leader, packages), os.DirFS(trixie(ctx, t))); err != nil {
		t.Fatal(err)
	}
	sh(t, at, `rm -f /etc/apt/sources.list.d/*
echo 'deb [trusted=yes] file:`+packages+` ./' >/etc/apt/sources.list
apt-get update`)
	start := time.Now()
	upgraded := make(chan error, 1)
	go func() {
		_, err := at.Run(ctx, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "--yes", "--option=Dpkg::Options::=--force-confold", "full-upgrade")
		upgraded <- err
	}()
	f.servedUntil(t, others, upgraded)
	t.Logf("upgraded in %v", time.Since(start).Round(time.Second))
	if err := at.Reboot(ctx); err != nil {
		t.Fatal(err)
	}
	if got := sh(t, at, ". /etc/os-release; echo $VERSION_ID; ls /usr/lib/postgresql; pg_lsclusters --no-header | cut -d' ' -f1"); got != "13\n15\n17\n15\n" {
		t.Errorf("the release, what is installed of PostgreSQL, and what runs: got %q", got)
	}
	f.well(t, time.Now())
}

// newPostgreSQL follows the manual.
func (f *faulty) newPostgreSQL(t *testing.T) {
	if out, err := f.machine('b').Script(deadline(t, stepTimeout), "chatmaild cluster upgrade 2>&1"); err == nil || !strings.Contains(out+err.Error(), "run there first") {
		t.Errorf("on a copy first: %s, %v", out, err)
	}
	start := time.Now()
	sh(t, f.machine('a'), "chatmaild cluster upgrade && chatmaild run")
	f.served(t, "abc", "abc")
	f.putOffAt(t, 'c', f.newcomer())
	sh(t, f.machine('b'), "chatmaild cluster upgrade && chatmaild run && chatmaild cluster rejoin")
	f.creates(t, "b")
	t.Logf("new accounts again after %v", time.Since(start).Round(time.Second))
	sh(t, f.machine('c'), "chatmaild cluster upgrade && chatmaild run && chatmaild cluster rejoin")
	f.well(t, start)
	for _, name := range "abc" {
		if out := sh(t, f.machine(name), "chatmaild cluster upgrade; chatmaild run"); !strings.Contains(out, "PostgreSQL 17") || !strings.Contains(out, "nothing to do") {
			t.Errorf("at %c: %s", name, out)
		}
	}
}
