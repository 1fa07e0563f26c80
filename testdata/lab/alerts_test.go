package lab

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"chatmaild/testdata/kit/smtp"
	"chatmaild/testdata/lab/debian"
	"chatmaild/testdata/lab/program"
)

const (
	rulesFile      = "packaging/prometheus/chatmaild.rules.yml"
	rulesTestsFile = "testdata/prometheus/chatmaild.test.yml"
)

// rules has promtool read the alert rules and try, with made-up series, how long
// they wait.
func (p *metricsProof) rules(t *testing.T) {
	root, err := debian.Checkout()
	if err != nil {
		t.Fatal(err)
	}
	ctx := deadline(t, partTimeout)
	for _, args := range [][]string{{"check", "rules", root + "/" + rulesFile}, {"test", "rules", root + "/" + rulesTestsFile}} {
		if _, err := program.Run(ctx, "promtool", args...); err != nil {
			t.Error(err)
		}
	}
}

// alerts makes every fault that there is an alert for, and fixes it.
func (p *metricsProof) alerts(t *testing.T) {
	p.clear(t)
	start := time.Now()
	p.restarts(t) // first: it takes as long to be over as the others together
	p.crowdedCalls(t)
	p.faults(t, p.submission(t, p.sender))
	most := slices.DeleteFunc(alertsOf(t, "chatmaild"), func(name string) bool { return name == "ChatmailRelayDown" })
	p.fire(t, start, most...)
	p.mend(t)
	p.clear(t)

	start = time.Now()
	p.script(t, "systemctl stop chatmaild-metrics.socket chatmaild-metrics.service")
	p.fire(t, start, "ChatmailRelayDown")
	p.script(t, "systemctl start chatmaild-metrics.socket chatmaild-metrics.service")
	p.clear(t)
}

// restarts has a daemon end three times.
func (p *metricsProof) restarts(t *testing.T) {
	for range 3 {
		before := p.script(t, "systemctl show --property=MainPID --value chatmaild-web.service")
		p.script(t, "kill -KILL %s", before)
		ctx := deadline(t, partTimeout)
		until(ctx, t, "the web daemon to start again", func() bool {
			now := p.script(t, "systemctl show --property=MainPID --value chatmaild-web.service")
			return now != "0" && now != before
		})
		p.scraped(t, "its metrics", `chatmaild_up{daemon="web"} == 1`)
	}
}

// crowdedCalls leaves the TURN server one port. Each status asks it for two.
func (p *metricsProof) crowdedCalls(t *testing.T) {
	p.script(t, `set -e
		echo 'turn_ports = "61000-61000"' >>/etc/chatmail/chatmail.toml
		systemctl restart chatmaild-turn`)
	for range 2 {
		before := p.script(t, "chatmaild status >/dev/null || true; date +%%s")
		p.scraped(t, "a refused allocation", fmt.Sprintf(`timestamp(chatmaild_turn_refused_total{reason="ports"} > 0) > %s`, before))
	}
}

// faults makes all others, in an order in which one does not hide another: what needs
// Dovecot comes before it is stopped.
func (p *metricsProof) faults(t *testing.T, s *smtp.Client) {
	const enough, hosts = 30, 10 // messages that wait, and for whom; see hasty
	// Nobody answers there: mail waits.
	for n := range hosts {
		name := fmt.Sprintf("%d.%s", n, absent)
		publish(t, p.lab, name, "A", p.outside.IPv4.String())
		t.Cleanup(func() { p.lab.Zone.Remove(name, "A") })
	}
	p.push.Stop()
	for n := range enough {
		p.send(t, s, p.sender, p.alice.addr, fmt.Sprintf("a@%d.%s", n%hosts, absent))
	}
	p.scraped(t, "deferred mail", `chatmaild_queue_messages{queue="deferred"} > 20`)
	p.scraped(t, "no notification service", `chatmaild_push_services_alive == 0`)
	// With no notification left that could be sent, its return is noticed nevertheless.
	if _, err := p.imap(t, p.alice).OK("SETMETADATA INBOX (/private/devicetoken NIL)"); err != nil {
		t.Fatal(err)
	}
	p.scraped(t, "no notifications", `chatmaild_push_queue_entries == 0`)

	p.script(t, `set -e
		pkill -STOP -x qmgr
		cp -p /etc/chatmail/tls/fullchain.pem /opt/kept.pem
		openssl req -x509 -key /etc/chatmail/tls/privkey.pem -days 1 -subj /CN=short -out /etc/chatmail/tls/fullchain.pem
		nginx -s reload
		sed -i 's/"ended":"20../"ended":"2001/' /var/lib/chatmaild/expire/expired.json
		systemctl stop chatmaild-lastlogin.socket chatmaild-lastlogin.service
		names=$(ls %[1]s)
		mount -t tmpfs -o size=4M,mode=700,uid=vmail,gid=vmail tmpfs %[1]s
		# Whose mailbox is gone is forgotten by all.
		(cd %[1]s && mkdir $names && chown vmail: $names)
		head -c 4000000 /dev/zero > %[1]s/filling || true`, p.mailboxes())
	p.send(t, s, p.sender, p.alice.addr) // stays where qmgr does not look
	p.script(t, "systemctl stop dovecot.service")
}

// fix undoes all of them.
func (p *metricsProof) mend(t *testing.T) {
	if err := p.push.Start(); err != nil {
		t.Fatal(err)
	}
	p.script(t, `set -e
		umount %s
		sed -i '/^turn_ports/d' /etc/chatmail/chatmail.toml
		systemctl restart chatmaild-turn
		systemctl start dovecot.service chatmaild-lastlogin.socket chatmaild-lastlogin.service
		pkill -CONT -x qmgr
		postsuper -d ALL deferred
		cp -p /opt/kept.pem /etc/chatmail/tls/fullchain.pem
		nginx -s reload
		systemctl start chatmaild-expire.service`, p.mailboxes())
}

// mailboxes is the directory of all mailboxes.
func (p *metricsProof) mailboxes() string {
	home := p.home(p.alice.addr)
	return home[:strings.LastIndexByte(home, '/')]
}
