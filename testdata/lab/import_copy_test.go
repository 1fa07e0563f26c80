package lab

import (
	"strings"
	"testing"

	"chatmaild/testdata/lab/network"
)

const (
	// copyDir is where the copy of the old machine's files lies on the new one: in the
	// directory that a container has as its volume, too.
	copyDir = "/data/copy"

	// keptKeys prints those of DKIM and of the account with the authority; what follows is
	// where that one is.
	keptKeys = "cat /etc/dkimkeys/opendkim.private "
)

// copied ends the old relay, and takes it over on the other machine from what the
// README says that one needs of it.
func (k *imported) copied(t *testing.T) {
	ctx := deadline(t, stepTimeout)
	k.delivered(t)
	k.listenerWas = uidValidity(t, k.imap(t, k.listener))
	k.passwords = k.secrets(t)
	k.script(t, "systemctl stop 'postfix*' dovecot")
	files, err := k.relay.Run(ctx, "tar", "--create", "--gzip", "--directory=/",
		"usr/local/lib/chatmaild", "home/vmail", "etc/dkimkeys", "var/lib/acme", "var/lib/echobot", "var/www/html")
	if err != nil {
		t.Fatal(err)
	}
	k.keptKeys = k.script(t, keptKeys+"/var/lib/acme/accounts/*/*/privkey")
	k.relay = k.young
	res, err := k.relay.Exec(ctx, strings.NewReader(files), "sh", "-euc", "mkdir -p "+copyDir+"; tar --extract --gzip --directory="+copyDir)
	if err == nil {
		err = res.Failure("tar", nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	contains(t, "the dry run", k.script(t, "chatmaild import --dry-run --from %s 2>&1", copyDir),
		"8 accounts are copied to "+oldBoxes, "echo bot: its key", "Nothing has changed")
	if out := k.script(t, "find /etc/chatmail /home/vmail /var/lib/chatmaild || true"); strings.Contains(out, ".toml") || strings.Contains(out, "@") {
		t.Errorf("the dry run has made something:\n%s", out)
	}
	contains(t, "import", k.script(t, "chatmaild import --from %s 2>&1", copyDir), "8 accounts of "+oldDomain+" are here", "chatmaild run")
	contains(t, "import once more", k.script(t, "chatmaild import --from %s 2>&1", copyDir), "8 accounts of "+oldDomain+" are here")
}

// runsCopy turns the other machine on.
func (k *imported) runsCopy(t *testing.T) {
	if err := k.relay.publishAddresses(deadline(t, stepTimeout)); err != nil {
		t.Fatal(err)
	}
	k.script(t, "chatmaild run --skip-dns-check")
	if got := k.script(t, keptKeys+"/var/lib/chatmaild/acme/account.pem"); got != k.keptKeys {
		t.Error("the DKIM key, or the account with the authority, is another one")
	}
}

// sameCopy shows that to users it is the same relay, with all that they had.
func (k *imported) sameCopy(t *testing.T) {
	ctx := deadline(t, stepTimeout)
	for _, port := range []string{network.IMAPSPort, network.SubmissionsPort, "443"} {
		if string(k.shownKey(ctx, t, port)) != string(k.key) {
			t.Errorf("port %s shows another key", port)
		}
	}
	contains(t, "what is known of the users", k.secrets(t), strings.Split(k.passwords, "\n")...)
	if now := uidValidity(t, k.imap(t, k.listener)); now != k.listenerWas {
		t.Errorf("the mailbox: got %s, want %s", now, k.listenerWas)
	}
	session := k.imap(t, account{"alice1234@" + oldDomain, "password-of-alice1234"})
	if got := stored(t, session); !strings.Contains(got, importPush) {
		t.Errorf("the device token is %q", got)
	}
	end := nudging(ctx, k.alice, k.bob)
	k.blocked(t)
	say(t, k.bob, k.ba, k.alice, "hello from the other machine")
	say(t, k.alice, k.ab, k.bob, "it is all as it was")
	end()
	k.sameBot(t, startProfile(t, k.lab, "carol", login("carol1234", oldDomain)))
	if out, err := k.relay.Run(ctx, "chatmaild", "status"); err != nil {
		t.Errorf("chatmaild status: %v\n%s", err, out)
	}
}
