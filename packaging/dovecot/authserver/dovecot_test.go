package authserver

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"chatmaild/testdata/kit/dovecottest"
)

// record makes the dialogues of testdata again: -args -record DIRECTORY.
var record = flag.String("record", "", "write what the real Dovecot says into this `directory`")

// dovecot is the machine's own Dovecot, with our server in this process.
type dovecot struct {
	dir, conf string
	port      int
}

// startDovecot runs the server's sockets and Dovecot in a directory of their own.
func startDovecot(t *testing.T) *dovecot {
	t.Helper()
	return startDovecotFor(t, &accounts{names: []string{alice}}, "")
}

// startDovecotFor is startDovecot for a Handler, with more configuration.
func startDovecotFor(t *testing.T, handler Handler, more string) *dovecot {
	t.Helper()
	dir := dovecottest.Dir(t)
	d := &dovecot{dir: dir, conf: filepath.Join(dir, "dovecot.conf"), port: dovecottest.Port(t)}
	for _, err := range []error{os.Mkdir(filepath.Join(dir, "mail"), 0o777), os.Chmod(filepath.Join(dir, "mail"), 0o777)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	d.serve(t, handler)
	conf := dovecottest.Choose(t, config23, config24)
	dovecottest.Start(t, dir, strings.NewReplacer("DIR", dir, "PORT", fmt.Sprint(d.port)).Replace(conf)+more)
	return d
}

// serve listens on the four sockets, until the test ends.
func (d *dovecot) serve(t *testing.T, handler Handler) {
	t.Helper()
	s := &Server{
		Handler: handler, Log: slog.New(slog.NewTextHandler(t.Output(), nil)), PID: os.Getpid(),
	}
	ctx, stop := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	for name, serve := range map[string]func(context.Context, net.Listener) error{
		"login": s.ServeLogin, "sasl": s.ServeSASL, "master": s.ServeMaster, "userdb": s.ServeUserdb,
	} {
		l, err := net.Listen("unix", d.socket(name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(d.socket(name), 0o666); err != nil {
			t.Fatal(err)
		}
		serving.Go(func() {
			if err := serve(ctx, &recording{Listener: l, name: name}); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	t.Cleanup(func() {
		stop()
		serving.Wait()
	})
}

func (d *dovecot) socket(name string) string { return filepath.Join(d.dir, name) }

func (d *dovecot) doveadm(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("doveadm", append([]string{"-c", d.conf}, args...)...).CombinedOutput()
	if err != nil {
		return fmt.Sprintf("%s%v", out, err)
	}
	return string(out)
}

// imap sends commands and returns the last line that answers the last of them.
func (d *dovecot) imap(t *testing.T, commands ...string) string {
	t.Helper()
	return d.imapFrom(t, "127.0.0.1", commands...)
}

// imapFrom is imap from an address.
func (d *dovecot) imapFrom(t *testing.T, from string, commands ...string) string {
	t.Helper()
	conn := d.dial(t, from)
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(conn)
	line, err := lines.ReadString('\n')
	for _, command := range commands {
		fmt.Fprintf(conn, "%s\r\n", command)
		for line = "*"; err == nil && strings.HasPrefix(line, "*"); {
			line, err = lines.ReadString('\n')
		}
	}
	if err != nil {
		t.Fatalf("after %q: %v", line, err)
	}
	return strings.TrimSpace(line)
}

func (d *dovecot) dial(t *testing.T, from string) net.Conn {
	t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		conn, err := dialer.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", d.port))
		if err == nil {
			return conn
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
}

// TestDovecot has the machine's Dovecot, 2.3 or 2.4, ask for everything it can.
func TestDovecot(t *testing.T) {
	d := startDovecot(t)
	for _, test := range []struct {
		commands []string
		want     string
	}{
		{[]string{"a LOGIN A@chat.example right"}, "a OK "},
		{[]string{"a LOGIN a@chat.example wrong"}, "a NO [AUTHENTICATIONFAILED]"},
		{[]string{"a LOGIN a@chat.example fault"}, "a NO [UNAVAILABLE]"},
		{[]string{"a LOGIN a@chat.example later"}, "a NO [UNAVAILABLE] Too many. Please try again later."},
		{[]string{"a AUTHENTICATE PLAIN " + plain(alice, "later")}, "a NO [UNAVAILABLE] Too many. Please try again later."},
		{[]string{"a AUTHENTICATE PLAIN " + plain(alice, "right")}, "a OK "},
		{[]string{"a AUTHENTICATE PLAIN", plain(alice, "right")}, "a OK "},
		{[]string{"a AUTHENTICATE PLAIN", plain("b@chat.example\x00"+alice, "right")}, "a NO [AUTHENTICATIONFAILED]"},
		{[]string{"a AUTHENTICATE PLAIN", "*", "b LOGIN a@chat.example right"}, "b OK "},
		{[]string{"a AUTHENTICATE PLAIN", "====", "b LOGIN a@chat.example right"}, "b OK "},
		{[]string{"a LOGIN a@chat.example wrong", "b LOGIN a@chat.example right"}, "b OK "},
	} {
		if got := d.imap(t, test.commands...); !strings.HasPrefix(got, test.want) {
			t.Errorf("%q: got %q, want %q", test.commands, got, test.want)
		}
	}
	for _, test := range []struct {
		want string
		args []string
	}{
		{alice + "\n", []string{"user", "*"}},
		{"mail", []string{"user", alice}},
		{"doesn't exist", []string{"user", "b@chat.example"}},
		{"auth succeeded", []string{"auth", "test", "-a", d.socket("sasl"), alice, "right"}},
		{"auth failed", []string{"auth", "test", "-a", d.socket("sasl"), alice, "wrong"}},
		{"auth succeeded", []string{"auth", "login", "-a", d.socket("login"), "-m", d.socket("master"), alice, "right"}},
		{"passdb: " + alice, []string{"auth", "lookup", "-a", d.socket("userdb"), alice}},
		{"INBOX", []string{"mailbox", "list", "-u", alice}},
	} {
		if got := d.doveadm(t, test.args...); !strings.Contains(got, test.want) {
			t.Errorf("doveadm %q: got %q, want %q in it", test.args, got, test.want)
		}
	}
}

// TestDovecotProxy has one Dovecot hand the sessions on to another one, which is told whose
// they are.
func TestDovecotProxy(t *testing.T) {
	const client = "127.0.0.9"
	there := &accounts{via: make(chan netip.Addr, 10)}
	home := startDovecotFor(t, there, "login_trusted_networks = 127.0.0.1\n")
	here := &accounts{home: netip.MustParseAddrPort(fmt.Sprintf("127.0.0.1:%d", home.port))}
	entry := startDovecotFor(t, here, "")
	home.dial(t, client).Close() // it listens
	for _, test := range []struct {
		commands []string
		want     string
	}{
		{[]string{"a LOGIN a@chat.example right", "b SELECT INBOX"}, "b OK "},
		{[]string{"a AUTHENTICATE PLAIN " + plain(alice, "right"), "b SELECT INBOX"}, "b OK "},
		{[]string{"a LOGIN a@chat.example wrong"}, "a NO [AUTHENTICATIONFAILED]"},
		{[]string{"a LOGIN a@chat.example fault"}, "a NO [UNAVAILABLE]"},
		{[]string{"a LOGIN a@chat.example here", "b SELECT INBOX"}, "b OK "},
	} {
		if got := entry.imapFrom(t, client, test.commands...); !strings.HasPrefix(got, test.want) {
			t.Errorf("%q: got %q, want %q", test.commands, got, test.want)
		}
	}
	if via := <-there.via; via != netip.MustParseAddr("127.0.0.1") {
		t.Errorf("at home the sessions come via %v", via)
	}
	for name, want := range map[string]bool{filepath.Join(home.dir, "mail", alice): true, filepath.Join(home.dir, "mail", client): true, filepath.Join(entry.dir, "mail", alice): false} {
		if _, err := os.Stat(name); (err == nil) != want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

const config23 = `
base_dir = DIR/run
state_dir = DIR/state
log_path = DIR/log
protocols = imap
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
auth_socket_path = DIR/userdb
mail_uid = nobody
mail_gid = nogroup
first_valid_uid = 1
first_valid_gid = 1
mail_home = DIR/mail/%u
mail_location = maildir:~
service imap-login {
  chroot =
  executable = imap-login DIR/login
  inet_listener imap {
    port = PORT
  }
  inet_listener imaps {
    port = 0
  }
}
service imap {
  executable = imap -a DIR/master
}
`

const config24 = `
base_dir = DIR/run
state_dir = DIR/state
log_path = DIR/log
protocols {
  imap = yes
}
listen = 127.0.0.1
ssl = no
auth_allow_cleartext = yes
auth_socket_path = DIR/userdb
login_socket_path = DIR/login
mail_uid = nobody
mail_gid = nogroup
first_valid_uid = 1
first_valid_gid = 1
mail_home = DIR/mail/%{user}
mail_driver = maildir
mail_path = ~
service imap-login {
  chroot =
  inet_listener imap {
    port = PORT
  }
  inet_listener imaps {
    port = 0
  }
}
service imap {
  executable = imap -a DIR/master
}
`
