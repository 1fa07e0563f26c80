package lab

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// canaryText is in a file that no command has any business with.
const canaryText = "the canary of TestLinks"

// An attack is what an attacker does who has become a daemon's user. The lines of sh have
// $MAIL, $BOX (a mailbox), $STATE and $OUT, where the canary is.
type attack struct {
	name, user, lines string
	refused           string // commands that say no, as a regular expression; the others work
}

// attacks are done on one relay, one after the other, each taken back before the next.
var attacks = []attack{
	{"mailboxes", "vmail", `mv $MAIL/echo@$DOMAIN $MAIL/.kept; ln -s $OUT $MAIL/echo@$DOMAIN; ln -s $OUT $MAIL/linked00@$DOMAIN`, `^(run|restore)`},
	{"files of a mailbox", "vmail", `mv $BOX/password $BOX/.kept; ln -s $OUT/secret $BOX/password; ln -s $OUT $BOX/.Sub; ln -s $OUT/secret $BOX/subscriptions
		mkdir -p $BOX/cur $BOX/new; ln -s $OUT/secret $BOX/cur/1:2,; mkfifo $BOX/new/2 $BOX/fifo`, `^(user|expire)`},
	{"a FIFO for the password", "vmail", `mv $BOX/password $BOX/.kept; mkfifo $BOX/password`, `^user`},
	{"the directory of all mailboxes", "vmail", `mv $MAIL $MAIL.kept; ln -s $OUT $MAIL`, `^(run|status|user|report|expire|backup|restore|move)`},
	{"the one above", "vmail", `mv /home/vmail/mail /home/vmail/kept; ln -s $OUT /home/vmail/mail`, `^(run|status|user|report|expire|backup|restore|move)`},
	{"what expire notes", "vmail", `rm -f $STATE/expire/*; ln -s $OUT/secret $STATE/expire/expire.json; ln -s $OUT/new $STATE/expire/expired.json`, `^expire`},
	{"the copy of the database", "vmail", `ln -sf $OUT/secret $STATE/metadata/metadata.db.copy; mkfifo $STATE/metadata/metadata.db.fifo`, `^$`},
	{"the invites", "chatmaild", `rm -f $STATE/invites/*; ln -s $OUT/new $STATE/invites/lock; ln -s $OUT/secret $STATE/invites/tokens.json; ln -s $OUT/secret $STATE/invites/key`, `^invite`},
	{"the echo bot", "chatmaild-echobot", `mv $STATE/echobot/identity.json $STATE/echobot/.kept; ln -s $OUT/secret $STATE/echobot/identity.json; ln -s $OUT $STATE/echobot/more`, `^(run|status)`},
	{"certificates", "chatmaild-acme", `ln -s $OUT $STATE/acme/live; ln -s $OUT/secret $STATE/acme/account.pem`, `^$`},
}

// byRoot is what root does meanwhile.
var byRoot = []string{
	"run --dry-run", "run", "status", "user list --json", "user show $ADDR", "user block $ADDR", "user unblock $ADDR", "invite create", "invite list",
	"report", "expire --dry-run", "expire", "backup /root/archive", "backup --verify /root/archive", "restore --overwrite /root/clean", "move root@nowhere.invalid",
}

// TestLinks becomes each daemon's user, puts links, hard links and FIFOs wherever that
// user can, and lets root run its commands. None of them waits; none reads or changes
// anything outside; each works, or says which path it refuses.
func TestLinks(t *testing.T) {
	t.Parallel()
	p := &proof{}
	p.lab, p.relay = startRelay(t, "_links.test")
	p.outside = addStation(t, p.lab, "outside")
	a := p.newAccount(t)
	env := fmt.Sprintf("DOMAIN=%s MAIL=/home/vmail/mail/%[1]s ADDR=%s BOX=%s STATE=/var/lib/chatmaild OUT=/srv/canary; export DOMAIN MAIL ADDR BOX STATE OUT; ",
		p.relay.Domain, a.addr, p.home(a.addr))
	p.script(t, "%s", env+`install -d -m 751 $OUT; printf '%s' "`+canaryText+`" >$OUT/secret; chmod 604 $OUT/secret
		install -d -m 700 -o chatmaild-acme -g chatmaild-acme $STATE/acme
		chatmaild backup /root/clean; chatmaild invite create`)
	p.noSwap(t, env)
	for _, x := range attacks {
		t.Run(x.name, func(t *testing.T) { p.attacked(t, env, x) })
	}
	t.Run("hard links", func(t *testing.T) {
		// As where fs.protected_hardlinks is off, which is the whole machine's.
		p.attacked(t, env, attack{"hard links", "root", `mkdir -p $BOX/cur; ln $OUT/secret $BOX/cur/3:2,; ln $OUT/secret $BOX/subscriptions
			ln $OUT/secret $STATE/invites/hard; ln $OUT/secret $STATE/echobot/hard; ln $OUT/secret $STATE/metadata/hard`, `^$`})
	})
}

// noSwap holds that no daemon's user can move what another one has.
func (p *proof) noSwap(t *testing.T, env string) {
	for _, user := range []string{"vmail", "chatmaild", "chatmaild-acme", "chatmaild-echobot", "chatmaild-transport", "chatmaild-submission", "www-data", "dovenull"} {
		for _, dir := range []string{"metadata", "expire", "invites", "echobot", "acme", "submission"} {
			p.script(t, "%s", env+fmt.Sprintf("! setpriv --reuid %s --regid $(id -g %[1]s) --init-groups mv $STATE/%[2]s $STATE/swapped 2>/dev/null", user, dir))
		}
		p.script(t, "%s", env+fmt.Sprintf("! setpriv --reuid %s --regid $(id -g %[1]s) --init-groups ln -s $OUT $STATE/planted 2>/dev/null", user))
	}
}

// attacked does an attack, has root run every command, and takes the attack back.
func (p *proof) attacked(t *testing.T, env string, x attack) {
	p.script(t, "%s", env+`systemctl stop chatmaild-echobot.service chatmaild-metadata.service
		mkdir /srv/before; cp -a /home/vmail $STATE /srv/before/; rm -f /root/archive*`)
	defer p.script(t, "%s", env+`systemctl stop chatmaild.target
		rm -rf /home/vmail $STATE; cp -a /srv/before/vmail /home/; cp -a /srv/before/chatmaild /var/lib/; rm -rf /srv/before; chatmaild run >/dev/null`)
	p.script(t, "%s", env+fmt.Sprintf("cd /; setpriv --reuid %s --regid $(id -g %[1]s) --init-groups sh -euc '%s'", x.user, strings.ReplaceAll(x.lines, "'", `'\''`)))
	const look = `find $OUT -printf '%p %u:%g %m %T@ %y\n' | sort; sha256sum $OUT/*`
	before := p.script(t, "%s", env+look)
	refused := regexp.MustCompile(x.refused)
	for _, command := range byRoot {
		out := p.script(t, "%s", env+fmt.Sprintf("timeout 100 chatmaild %s </dev/null 2>&1 && echo status 0 || echo status $?", command))
		worked := strings.HasSuffix(out, "status 0")
		switch {
		case strings.HasSuffix(out, "status 124"):
			t.Errorf("%s waits", command)
		case strings.Contains(out, canaryText):
			t.Errorf("%s tells what is outside:\n%s", command, out)
		case !worked && !refused.MatchString(command) && command != "status" && !strings.HasPrefix(command, "move"): // two daemons are off; there is no such machine
			t.Errorf("%s failed:\n%s", command, out)
		case !worked && !regexp.MustCompile(`/(home|var|root)/|nowhere|WRONG|@_links|names the mailboxes`).MatchString(out):
			t.Errorf("%s does not say what it refuses:\n%s", command, out)
		}
		if after := p.script(t, "%s", env+look); after != before {
			t.Fatalf("%s changed what is outside:\n%s\nbecame\n%s", command, before, after)
		}
	}
	if found := p.script(t, "%s", fmt.Sprintf("grep -l '%s' /root/archive* 2>/dev/null || true", canaryText)); found != "" {
		t.Errorf("what is outside is in %s", found)
	}
}
