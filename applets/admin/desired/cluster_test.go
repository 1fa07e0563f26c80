package desired

import (
	"strings"
	"testing"

	"chatmaild/packaging/dovecot"
)

const severalMachines = `mail_domain = "chat.example.org"
[cluster]
name = "b"
members = ["a 10.7.0.1", "b 10.7.0.2", "c fd07::3"]
`

// TestSeveralMachines has each file what it needs of the other machines, and nothing where
// the relay is one.
func TestSeveralMachines(t *testing.T) {
	for _, release := range []Release{Bookworm, Trixie} {
		version := map[Release]dovecot.Version{Bookworm: dovecot.V23, Trixie: dovecot.V24}[release]
		postgres := release.PostgreSQL().Dir() + "/"
		wanted := map[string][]string{
			"/etc/postfix/main.cf":                                          {"\n  socketmap:unix:private/homes:homes\n"},
			"/etc/postfix/master.cf":                                        {"\n10.7.0.2:2525 inet ", "-o { mynetworks = 10.7.0.1 [fd07::3] }\n", "\n127.0.0.1:10027 inet ", "\nhome  ", "\nsealing "},
			"/etc/postfix/chatmaild-sealed.regexp":                          {"FILTER sealing:[127.0.0.1]:10027\n"},
			"/etc/dovecot/dovecot.conf":                                     {"\nlogin_trusted_networks = 10.7.0.1 fd07::3\n", "\nremote fd07::3 {\n"},
			postgres + "conf.d/chatmaild.conf":                              {"'ANY 1 (\"a\", \"b\", \"c\")'", "\nlisten_addresses = '10.7.0.2'\n", "host=10.7.0.1,10.7.0.2,fd07::3 user=chatmaild_replication ", postgres + "chatmaild_hba.conf"},
			postgres + "chatmaild_hba.conf":                                 {"  10.7.0.1/32  ", "  fd07::3/128  "},
			"/etc/systemd/system/chatmaild-doveauth.service.d/cluster.conf": {"\nSockets=chatmaild-homes.socket\n", "\nPrivateNetwork=no\n"},
			"/etc/systemd/system/chatmaild-expire.service.d/cluster.conf":   {"\nPrivateNetwork=no\n"},
		}
		machine := Machine{Release: release, Dovecot: version, PostgreSQL: release.PostgreSQL(), Processors: 2}
		several, err := Files(load(t, severalMachines), paths, machine)
		if err != nil {
			t.Fatal(err)
		}
		one, err := Files(load(t, `mail_domain = "chat.example.org"`), paths, machine)
		if err != nil {
			t.Fatal(err)
		}
		for path, lines := range wanted {
			text, _ := find(t, several, path)
			without, _ := find(t, one, path)
			for _, line := range lines {
				if !strings.Contains(text, line) {
					t.Errorf("%s: want %q", path, line)
				}
				if strings.Contains(without, line) {
					t.Errorf("%s: one machine has %q", path, line)
				}
			}
		}
		for _, f := range one {
			if !f.Absent && strings.Contains(f.Path, "postgresql") {
				t.Errorf("one machine has %s", f.Path)
			}
		}
	}
}

// TestPostgreSQLReloads: another machine in the list is no reason to stop the server.
func TestPostgreSQLReloads(t *testing.T) {
	const former = "listen_addresses = '10.7.0.1'\nsynchronous_standby_names = ''\n"
	for text, want := range map[string]bool{
		"listen_addresses = '10.7.0.1'\nsynchronous_standby_names = 'ANY 1 (\"a\", \"b\")'\n": true,
		"listen_addresses = '10.7.0.2'\nsynchronous_standby_names = ''\n":                     false,
	} {
		if got := PostgreSQLReloads([]byte(former), []byte(text)); got != want {
			t.Errorf("%s: got %v", text, got)
		}
	}
	if PostgreSQLReloads(nil, []byte(former)) {
		t.Error("a server without our configuration reloads it")
	}
}

// TestOneOfSeveral: the first machine is alone until the second one joins.
func TestOneOfSeveral(t *testing.T) {
	conf := load(t, "mail_domain = \"chat.example.org\"\n[cluster]\nname = \"a\"\nmembers = [\"a 10.7.0.1\"]\n")
	if m := newMember(conf, "17"); m.Synchronous != "" || len(m.Addresses()) != 0 || m.Networks() != "" {
		t.Errorf("got %+v", m)
	}
}

func TestDatagramPorts(t *testing.T) {
	for settings, want := range map[string]string{
		"":                 "{ 3478, 61000-61999 }",
		"turn = \"off\"\n": "",
		"[cluster]\nname = \"a\"\nmembers = [\"a 10.7.0.1\"]\n":                    "{ 3478, 61000-61999 }",
		"[cluster]\nname = \"a\"\nmembers = [\"a 10.177.44.1\"]\n":                 "{ 51821, 3478, 61000-61999 }",
		"turn = \"off\"\n[cluster]\nname = \"a\"\nmembers = [\"a 10.177.44.1\"]\n": "{ 51821 }",
	} {
		if got := DatagramPorts(load(t, "mail_domain = \"chat.example.org\"\n"+settings)); got != want {
			t.Errorf("%q: got %q, want %q", settings, got, want)
		}
	}
}

// TestJoining: a machine that joins may copy the directory, and nobody waits for it.
func TestJoining(t *testing.T) {
	const list = "mail_domain = \"chat.example.org\"\n[cluster]\nname = \"a\"\nmembers = [\"a 10.7.0.1\", \"b 10.7.0.2 joining\"]\n"
	m := newMember(load(t, list), "17")
	if m.Synchronous != "" || strings.Join(m.Addresses(), " ") != "10.7.0.2" || len(m.Machines) != 2 {
		t.Errorf("got %+v", m)
	}
	if m := newMember(load(t, strings.Replace(list, " joining", "", 1)), "17"); m.Synchronous != `ANY 1 ("a", "b")` {
		t.Errorf("got %+v", m)
	}
}
