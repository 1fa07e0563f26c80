package dovecot_test

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"chatmaild/packaging/dovecot"
)

// TestReloads: another machine of the relay is no reason to end all sessions.
func TestReloads(t *testing.T) {
	const one = "protocols = imap\nlogin_trusted_networks =\nservice imap {\n}\n"
	const two = "protocols = imap\nlogin_trusted_networks = 10.7.0.2\nremote 10.7.0.2 {\n  ssl = yes\n}\nservice imap {\n}\n"
	for _, test := range []struct {
		former, next string
		want         bool
	}{
		{one, two, true},
		{two, one, true},
		{one, "protocols = imap lmtp\nlogin_trusted_networks =\nservice imap {\n}\n", false},
		{two, two + "listen = *\n", false},
		{"", one, false},
	} {
		if got := dovecot.Reloads([]byte(test.former), []byte(test.next)); got != test.want {
			t.Errorf("from %q to %q: got %t", test.former, test.next, got)
		}
	}
}

// TestReloadedMachines has a Dovecot that runs learn of another machine by a reload: who is
// logged in stays so, and what that machine says of a client is believed.
func TestReloadedMachines(t *testing.T) {
	d := start(t, "")
	before := d.idle(t, "before")
	conf := filepath.Join(d.dir, "dovecot.conf")
	text, err := os.ReadFile(conf)
	if err != nil {
		t.Fatal(err)
	}
	cleartext := "auth_allow_cleartext = yes"
	if strings.Contains(string(text), "disable_plaintext_auth") {
		cleartext = "disable_plaintext_auth = no"
	}
	next := string(text) + "login_trusted_networks = 127.0.0.1\nremote 127.0.0.1 {\n  " + cleartext + "\n}\n"
	if !dovecot.Reloads(text, []byte(next)) {
		t.Error("it is not known that a reload is enough")
	}
	if err := os.WriteFile(conf, []byte(next), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(d.master, syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	const address = "192.0.2.77"
	await(t, "the address of a client", func() bool {
		conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", d.port))
		if err != nil {
			t.Errorf("a connection is refused: %v", err)
			return true
		}
		defer conn.Close()
		after := &client{conn: conn, lines: bufio.NewReader(conn)}
		fmt.Fprintf(conn, "a ID (\"x-originating-ip\" \"%s\" \"x-originating-port\" \"1234\")\r\nb LOGIN after x\r\n", address)
		if !after.reads(t, "b OK", idleTimeout) {
			return false // a process of before the reload, which ends
		}
		who, err := exec.Command("doveadm", "-c", conf, "who", "-1").CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, who)
		}
		return strings.Contains(string(who), address)
	})
	fmt.Fprintf(before.conn, "DONE\r\nd NOOP\r\n")
	if !before.reads(t, "d OK", idleTimeout) {
		t.Error("a session has ended")
	}
}
