package lab

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"chatmaild/testdata/lab/core"
	"chatmaild/testdata/lab/debian"
	"chatmaild/testdata/lab/network"
)

// importPush is a device token that the old relay knows of alice.
const importPush = "openpgp:token-of-the-old-relay"

// An imported is what the steps of TestImport share; each builds on those before it.
type imported struct {
	proof
	young       *Relay // a machine that never ran the old relay
	alice, bob  *core.Profile
	ab, ba      uint32
	bot         oldBot
	listener    account // gets the stream's mail
	sleeper     account // logged in last in January
	listenerWas string  // what its client knows of its mailbox
	key         []byte  // of the certificate, before
	etc         string  // checksums of the old configurations
	passwords   string  // checksums and times of the old passwords
	keptKeys    string  // of the relay that is copied
}

// TestImport takes over a machine that is laid out as the Python relay leaves it, gives
// it back, and takes it over on another machine from a copy of its files, with real
// clients that were made before and notice nothing.
func TestImport(t *testing.T) {
	t.Parallel()
	k := &imported{}
	var deb string
	k.lab, deb = newLabOn(t, debian.Bookworm) // the old relay is made of Dovecot 2.3
	var group sync.WaitGroup
	var err error
	group.Go(func() { k.young, err = startOther(t.Context(), k.lab, deb, oldDomain) })
	defer group.Wait()
	k.relay = startOldRelay(t, k.lab, deb)
	group.Wait()
	diagnose(t, k.young)
	if err != nil {
		t.Fatal(err)
	}
	k.outside = addStation(t, k.lab, "outside")
	k.run(t, slices.Concat(takingOver, givingBack))
	if t.Failed() {
		return
	}
	k.run(t, []importStep{
		{"import of a copy", (*imported).copied},
		{"the copy runs", (*imported).runsCopy},
		{"the copy is the same", (*imported).sameCopy},
	})
}

// TestImportTrixie takes over, and gives back, a Debian 13 on which the Python relay has its
// fork of Dovecot 2.3.
func TestImportTrixie(t *testing.T) {
	k := &imported{}
	var deb string
	k.lab, deb = newLabOn(t, debian.Trixie)
	k.relay = startOldRelay(t, k.lab, deb)
	k.outside = addStation(t, k.lab, "outside")
	k.run(t, slices.Concat(takingOver, givingBack))
}

// An importStep is a part of TestImport.
type importStep struct {
	name string
	do   func(*imported, *testing.T)
}

var (
	takingOver = []importStep{
		{"the old relay", (*imported).old},
		{"dry run", (*imported).dryRun},
		{"import under traffic", (*imported).take},
		{"what was taken over", (*imported).taken},
		{"the old files, and a reboot", (*imported).fates},
		{"the bot is the same", func(k *imported, t *testing.T) { k.sameBot(t, k.bob) }},
	}
	givingBack = []importStep{
		{"undo under traffic", (*imported).undo},
		{"what came back", (*imported).back},
	}
)

// run does steps, up to the first that fails.
func (k *imported) run(t *testing.T, steps []importStep) {
	for _, step := range steps {
		if !t.Run(step.name, func(t *testing.T) { step.do(k, t) }) {
			return
		}
	}
}

// old has clients of the old relay talk, and users with passwords of both kinds.
func (k *imported) old(t *testing.T) {
	ctx := deadline(t, stepTimeout)
	awaitOldRelay(ctx, t, k.relay, k.outside)
	k.alice = startProfile(t, k.lab, "alice", login("alice1234", oldDomain))
	k.bob = startProfile(t, k.lab, "bob", login("bob123456", oldDomain))
	var err error
	k.ba = secureJoin(t, k.bob, k.alice, nil)
	if k.ab, err = k.alice.ChatWith(ctx, k.bob); err != nil {
		t.Fatal(err)
	}
	say(t, k.bob, k.ba, k.alice, "before the import")

	k.startBot(t)

	k.sender, k.listener, k.sleeper = k.newAccount(t), k.newAccount(t), k.newAccount(t)
	k.script(t, `
cd %[1]s/bob123456@%[2]s && cp -p password former
printf %%s "$(doveadm pw -s SHA512-CRYPT -p password-of-bob123456)" >password
touch -r former password && rm former
printf '{"devicetoken": {"%[3]s": %[4]d}}' | install -o vmail -g vmail -m 600 /dev/stdin %[1]s/alice1234@%[2]s/metadata.json
install -d -o vmail -g vmail -m 700 %[1]s/pending_notifications
printf 'alice1234@%[2]s\n%[4]d\n%[3]s' | install -o vmail -g vmail -m 600 /dev/stdin %[1]s/pending_notifications/0123456789abcdef
touch -d 2026-01-02T00:00:00Z %[1]s/%[5]s/password`, oldBoxes, oldDomain, importPush, time.Now().Unix(), k.sleeper.addr)
	k.block(t)
	k.key = k.shownKey(ctx, t, network.IMAPSPort)
	k.etc, k.passwords = k.sums(t), k.secrets(t)
}

// sums are the checksums of all that a takeover replaces.
func (k *imported) sums(t *testing.T) string {
	t.Helper()
	return k.script(t, `find /etc/postfix /etc/dovecot /etc/nginx /etc/opendkim.conf /etc/dkimkeys /etc/systemd /etc/cron.d \
/etc/acme /etc/apt /etc/chatmail-version /etc/environment /etc/iroh-relay.toml /etc/mailname /etc/mtail /etc/sysctl.conf /etc/unbound /root /usr/lib/cgi-bin /usr/local /var/www/html \
-type f ! -name '*.lmdb' -exec stat -c '%%n %%a %%U %%G' {} + -exec sha256sum {} + | sort
find /etc/systemd -type l -printf '%%p -> %%l\n' | sort`)
}

// secrets are the passwords of people, and when they logged in last.
func (k *imported) secrets(t *testing.T) string {
	t.Helper()
	return k.script(t, `cd %s; stat -c '%%n %%Y %%a %%U' [!e]*/password; sha256sum [!e]*/password; ls */enforceE2EEincoming`, oldBoxes)
}

// shownKey is the public key of the certificate that a port shows.
func (k *imported) shownKey(ctx context.Context, t *testing.T, port string) []byte {
	t.Helper()
	conn, err := k.outside.DialContext(ctx, "tcp", net.JoinHostPort(oldDomain, port))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	secure := tls.Client(conn, network.Insecure(oldDomain))
	if err := secure.HandshakeContext(ctx); err != nil {
		t.Fatal(err)
	}
	return secure.ConnectionState().PeerCertificates[0].RawSubjectPublicKeyInfo
}

func (k *imported) dryRun(t *testing.T) {
	out := k.script(t, "chatmaild import --dry-run --skip-dns-check 2>&1")
	contains(t, "the dry run", out,
		"unknown  no_such_key", "left     passthrough_recipients", "8 accounts stay", "2 are blocked", "moved   /usr/local/bin/mtail", "stays   /etc/environment", "edited  /etc/sysctl.conf", "user iroh: stays", "1 BLF-CRYPT, 5 SHA512-CRYPT", "1 have push tokens; 1 notifications are pending",
		"filtermail-transport.service", "turnserver.service", "fcgiwrap.service", "/etc/cron.d/acmetool", "replace /etc/postfix/main.cf",
		"/var/lib/acme/live/"+oldDomain+"/privkey", "chatmaild import --undo")
	if got := k.sums(t); got != k.etc {
		t.Errorf("something changed:\n%s", got)
	}
	k.script(t, "systemctl is-active --quiet %s", strings.Join(oldRunning, " "))
}

// under runs a command on the relay while mail streams in, and holds that none was
// lost and none doubled: neither the stream's nor that of the real client, which
// writes during all of it.
func (k *imported) under(t *testing.T, word, command string) {
	ctx := deadline(t, stepTimeout)
	text := sealed(t, k.sender.addr)
	mail := func(id string) string { return strings.Replace(text, "\nMessage-ID: <", "\nMessage-ID: <"+id, 1) }
	streaming, stop := context.WithCancel(ctx)
	var s stream
	var group sync.WaitGroup
	group.Go(func() { s.run(streaming, k, mail) })
	var texts []string
	write := func(what string) {
		texts = append(texts, word+what)
		if _, err := k.bob.SendText(ctx, k.ba, word+what); err != nil {
			t.Error(err)
		}
	}
	write(": just before")
	done := make(chan struct{})
	var out string
	var err error
	group.Go(func() {
		defer close(done)
		out, err = k.relay.Script(ctx, command+" 2>&1")
	})
	write(": meanwhile")
	<-done
	ended := time.Now()
	write(": just after")
	if err != nil {
		stop()
		group.Wait()
		t.Fatal(err)
	}
	t.Log(out)
	defer nudging(streaming, k.alice, k.bob)()
	for _, text := range texts {
		if _, _, err := k.alice.WaitText(ctx, text); err != nil {
			t.Error(err)
		}
	}
	say(t, k.alice, k.ab, k.bob, word+": an answer")
	until(ctx, t, "the stream to flow again", func() bool { return s.since(ended) })
	stop()
	group.Wait()
	k.delivered(t)
	k.count(t, &s)
	all, err := k.alice.Texts(ctx, k.ab)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range texts {
		if n := strings.Count(strings.Join(all, "\n")+"\n", text+"\n"); n != 1 {
			t.Errorf("alice has %q %d times", text, n)
		}
	}
}

func (k *imported) take(t *testing.T) {
	start := time.Now()
	k.under(t, "import", "chatmaild import --skip-dns-check")
	t.Logf("import and all that was sent meanwhile took %v", time.Since(start).Round(time.Millisecond))
}

func (k *imported) taken(t *testing.T) {
	ctx := deadline(t, stepTimeout)
	for _, port := range []string{network.IMAPSPort, network.SubmissionsPort, "443"} {
		if string(k.shownKey(ctx, t, port)) != string(k.key) {
			t.Errorf("port %s shows another key", port)
		}
	}
	contains(t, "what is known of the users", k.secrets(t), strings.Split(k.passwords, "\n")...)
	for _, u := range oldUnits {
		if got := k.script(t, "systemctl show --property=LoadState --value %s", u.name); got != "masked" {
			t.Errorf("%s is %s", u.name, got)
		}
	}
	if out, err := k.relay.Run(ctx, "chatmaild", "status"); err != nil {
		t.Errorf("chatmaild status: %v\n%s", err, out)
	}
	if out := k.script(t, "chatmaild run --skip-dns-check"); !strings.Contains(out, "nothing to do") {
		t.Errorf("chatmaild run does something after it:\n%s", out)
	}
	contains(t, "the configuration", k.script(t, "cat %s", configFile),
		`max_mailbox_size = "300M"`, `metrics_address = "127.0.0.1:3903"`, "delete_mails_after = 40", `privacy_postal = "Example Street 1\nExample Town"`, "# no_such_key = 7")
	if got := k.script(t, "cat /var/lib/chatmaild/acme/account.pem"); got != k.script(t, "cat /var/lib/acme/accounts/*/*/privkey") {
		t.Error("the account with the authority is another one")
	}
	session := k.imap(t, account{"alice1234@" + oldDomain, "password-of-alice1234"})
	if got := stored(t, session); !strings.Contains(got, importPush) {
		t.Errorf("the device token is %q", got)
	}
	var report struct{ Queue struct{ Entries int } }
	if err := json.Unmarshal([]byte(k.script(t, "chatmaild push status --json")), &report); err != nil || report.Queue.Entries == 0 {
		t.Errorf("the notification that waited is not in the queue: %+v, %v", report, err)
	}
	say(t, k.alice, k.ab, k.bob, "after the import")
	if again := k.script(t, "chatmaild import --skip-dns-check"); !strings.Contains(again, "nothing to do") {
		t.Errorf("another import: %s", again)
	}
	// The next run writes other configurations; an undo has to see through them.
	k.script(t, `sed -i 's/^max_mailbox_size.*/max_mailbox_size = "200M"/' %s && chatmaild run --skip-dns-check`, configFile)
}

func (k *imported) undo(t *testing.T) {
	start := time.Now()
	k.under(t, "undo", "chatmaild import --undo")
	t.Logf("the undo and all that was sent meanwhile took %v", time.Since(start).Round(time.Millisecond))
}

func (k *imported) back(t *testing.T) {
	ctx := deadline(t, stepTimeout)
	if got := k.sums(t); got != k.etc {
		t.Errorf("/etc is not what it was:\n%s", difference(k.etc, got))
	}
	k.script(t, "systemctl is-active --quiet %[1]s && systemctl is-enabled --quiet %[1]s", strings.Join(oldRunning, " "))
	if ours := k.script(t, "systemctl list-units --plain --no-legend --state=active 'chatmaild*'"); ours != "" {
		t.Errorf("of chatmaild there is still\n%s", ours)
	}
	if string(k.shownKey(ctx, t, network.IMAPSPort)) != string(k.key) {
		t.Error("the key is another one")
	}
	contains(t, "metadata.json", k.script(t, "cat %s/alice1234@%s/metadata.json", oldBoxes, oldDomain), importPush)
	contains(t, "the waiting notifications", k.script(t, "cat %s/pending_notifications/*", oldBoxes), importPush)
	say(t, k.alice, k.ab, k.bob, "after the undo")
	say(t, k.bob, k.ba, k.alice, "all is as before")
	k.botIsBack(t)
}

// difference is what lines of two texts are in one of them alone.
func difference(before, after string) string {
	var b strings.Builder
	for _, side := range []struct{ mark, text, other string }{{"- ", before, after}, {"+ ", after, before}} {
		for line := range strings.Lines(side.text + "\n") {
			if !strings.Contains(side.other+"\n", line) {
				b.WriteString(side.mark + line)
			}
		}
	}
	return b.String()
}
