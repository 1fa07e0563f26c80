package lab

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"chatmaild/testdata/lab/core"
	"chatmaild/testdata/lab/network"
)

// A logged is what the steps of TestLog share: two relays, and those who use them.
type logged struct {
	federation
	names []string // of whom nothing may reach a disk
}

// TestLog shows that the servers' log says nowhere who writes to whom, or from where;
// that a message can be followed through it nevertheless; and what an operator sees.
func TestLog(t *testing.T) {
	t.Parallel()
	g := &logged{}
	var deb string
	g.lab, deb = newLab(t)
	for domain, relay := range map[string]**Relay{"_a.test": &g.a, "_b.test": &g.b} {
		*relay = startRelayIn(t, g.lab, deb, domain)
		// As on a server that keeps its journal.
		g.script(t, *relay, "mkdir -p /var/log/journal && journalctl --flush")
	}
	inTurn(t, g, []step[*logged]{
		{"traffic", (*logged).traffic},
		{"the daemon is killed", (*logged).killed},
		{"the daemon is away", (*logged).away},
		{"a message is followed", (*logged).follow},
		{"an operator watches", (*logged).watch},
		{"what reached the disk", (*logged).look},
	})
}

func (g *logged) script(t *testing.T, on *Relay, format string, args ...any) string {
	t.Helper()
	return strings.TrimSpace(sh(t, on, fmt.Sprintf(format, args...)))
}

// traffic has each server log what it logs of people: deliveries, failures, faults.
func (g *logged) traffic(t *testing.T) {
	g.alice = startProfile(t, g.lab, "alice", g.a.SignUpQR())
	g.bob = startProfile(t, g.lab, "bob", g.b.SignUpQR())
	g.pair = join(t, g.bob, g.alice)
	g.pair.text(t)
	g.names = []string{"gone@" + g.b.Domain, "carol@carol.example", "nobody@" + g.a.Domain}
	for _, p := range []*core.Profile{g.alice, g.bob} {
		g.names = append(g.names, p.Addr, p.Client.IPv4.String(), p.Client.IPv6.String())
	}
	ctx := deadline(t, stepTimeout)
	password, err := g.alice.Password(ctx)
	if err != nil {
		t.Fatal(err)
	}
	s, err := g.alice.Client.SMTP(ctx, g.a.Domain, network.SubmissionsPort)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Command("EHLO alice.test"); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Login("nobody@"+g.a.Domain, "not the password"); err != nil || !strings.HasPrefix(got, "535 ") {
		t.Fatalf("a wrong password: got %q, %v", got, err)
	}
	if got, err := s.Login(g.alice.Addr, password); err != nil || !strings.HasPrefix(got, "235 ") {
		t.Fatalf("the right one: got %q, %v", got, err)
	}
	// To an address that does not exist: it bounces.
	if got, err := s.Send(g.alice.Addr, "gone@"+g.b.Domain, encryptedFrom(t, g.alice.Addr)); err != nil || !strings.HasPrefix(got, "250 ") {
		t.Fatalf("to nobody: got %q, %v", got, err)
	}
	c := g.outside(ctx, t)
	plain := "From: <carol@carol.example>\r\nTo: <" + g.bob.Addr + ">\r\nSubject: hello\r\n\r\nanyone can read this\r\n"
	if got, err := c.Send("carol@carol.example", g.bob.Addr, plain); err != nil || !strings.HasPrefix(got, "5") {
		t.Fatalf("cleartext: got %q, %v", got, err)
	}
	// A client may say anything where a command should be.
	g.names = append(g.names, "Meet me", "nameless")
	for _, said := range [][]string{
		{"MAIL FROM:nameless"}, {"Subject: Meet me"}, {"MAIL FROM:<>", "RCPT TO:<" + g.bob.Addr + ">", "DATA\r\nSubject: Meet me"},
	} {
		c := g.outside(ctx, t)
		for _, line := range said {
			if _, err := c.Command("%s", line); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
		}
		c.Close()
	}
	imap, err := g.alice.Client.IMAP(ctx, g.a.Domain)
	if err != nil {
		t.Fatal(err)
	}
	defer imap.Close()
	if err := imap.Login(g.alice.Addr, "not the password"); err == nil {
		t.Fatal("IMAP takes a wrong password")
	}
	// nginx finds nobody behind it, and says who asked, and what.
	g.script(t, g.a, "systemctl stop chatmaild-web.socket chatmaild-web.service")
	client := &http.Client{Transport: &http.Transport{DialContext: g.alice.Client.DialContext, TLSClientConfig: network.Insecure(g.a.Domain)}}
	resp, err := client.Post("https://"+g.a.Domain+"/new?t=secret-token", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	g.script(t, g.a, "systemctl start chatmaild-web.socket chatmaild-web.service")
	g.names = append(g.names, "secret-token")
}

// killed kills the daemon while it is needed: mail continues, and so does the log.
func (g *logged) killed(t *testing.T) {
	for n := range 5 {
		g.script(t, g.a, "systemctl kill --signal=KILL chatmaild-maillog.service")
		say(t, g.bob, g.pair.ab, g.alice, fmt.Sprintf("killed %d times", n+1))
	}
	g.soon(t, g.a, "status=sent")
}

// soon waits until the log has a line of now on.
func (g *logged) soon(t *testing.T, on *Relay, text string) {
	t.Helper()
	since := time.Now().Unix()
	for n := 1; g.script(t, on, "journalctl --quiet --unit=chatmaild-maillog --since=@%d --grep='%s' | head -n 1", since, text) == ""; n++ {
		say(t, g.bob, g.pair.ab, g.alice, fmt.Sprintf("for the log, %d: %s", n, t.Name()))
	}
}

// away stops the daemon for good: lines are lost then, but neither mail nor a secret.
func (g *logged) away(t *testing.T) {
	g.script(t, g.a, "systemctl stop chatmaild-log.socket chatmaild-maillog.service chatmaild-maillog.socket")
	for n := range 20 { // more than a socket holds
		say(t, g.bob, g.pair.ab, g.alice, fmt.Sprintf("unlogged %d", n))
	}
	g.script(t, g.a, "systemctl start chatmaild-log.socket chatmaild-maillog.socket chatmaild-maillog.service")
	g.soon(t, g.a, "status=sent")
	g.soon(t, g.a, "connect from")
	g.soon(t, g.a, "saved mail to INBOX")
}

// follow finds a message in the lines of each program that had it.
func (g *logged) follow(t *testing.T) {
	say(t, g.alice, g.pair.ba, g.bob, "follow me")
	for _, on := range []*Relay{g.a, g.b} {
		from := g.script(t, on, "chatmaild log %s", g.alice.Addr)
		to := g.script(t, on, "chatmaild log %s", g.bob.Addr)
		client := g.script(t, on, "chatmaild log %s", g.alice.Client.IPv4)
		wants := []string{"from=<" + from + ">", "to=<" + to + ">"}
		log := g.script(t, on, "journalctl --quiet --output=cat --unit=chatmaild-maillog")
		for _, want := range wants {
			if !strings.Contains(log, want) {
				t.Errorf("%s: the log lacks %s", on.Domain, want)
			}
		}
		// From where she sends is logged nowhere, not even by a pseudonym.
		if on == g.a && strings.Contains(log, "unknown["+client+"]") {
			t.Errorf("%s: the log has who sends from %s", on.Domain, client)
		}
	}
	metrics := g.script(t, g.a, "chatmaild metrics --print")
	if !strings.Contains(metrics, "chatmaild_") {
		t.Errorf("no metrics: %s", metrics)
	}
	g.script(t, g.a, "chatmaild status | grep -E 'maillog +active' && chatmaild queue")
}

// watch sees the lines as they are written, for as long as was asked.
func (g *logged) watch(t *testing.T) {
	type result struct {
		out string
		err error
	}
	ended := make(chan result, 1)
	ctx := deadline(t, stepTimeout)
	go func() {
		out, err := g.a.Run(ctx, "chatmaild", "log", "--plain", "10s")
		ended <- result{out, err}
	}()
	var got result
	for n := 1; ; n++ {
		say(t, g.alice, g.pair.ba, g.bob, fmt.Sprintf("watched %d", n))
		say(t, g.bob, g.pair.ab, g.alice, fmt.Sprintf("watched too %d", n))
		select {
		case got = <-ended:
		default:
			continue
		}
		break
	}
	if got.err != nil {
		t.Fatal(got.err)
	}
	for _, want := range []string{"to=<" + g.bob.Addr + ">", "from=<" + g.alice.Addr + ">", "dovecot"} {
		if !strings.Contains(got.out, want) {
			t.Errorf("the operator did not see %s", want)
		}
	}
}

// look searches everything that was written for everyone.
func (g *logged) look(t *testing.T) {
	for _, on := range []*Relay{g.a, g.b} {
		// What servers do not log by the daemon would be here too; what is compressed in
		// the journal's files is read by journalctl.
		g.script(t, on, "journalctl --sync; journalctl --all --output=export >/run/journal.export; find /var/log -type f >/run/logs")
		if size := g.script(t, on, "wc -c </run/journal.export"); len(size) < 5 {
			t.Errorf("%s: the journal has %s bytes", on.Domain, size)
		}
		for _, name := range g.names {
			found := g.script(t, on, "{ grep -a -F -e '%[1]s' /run/journal.export; xargs grep -a -l -F -e '%[1]s' </run/logs; } | head -n 5", name)
			if found != "" {
				t.Errorf("%s: %s is on the disk:\n%s", on.Domain, name, found)
			}
		}
	}
}
