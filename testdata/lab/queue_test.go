package lab

import (
	"strings"
	"testing"
)

// Destinations that nobody answers for, of one message with both.
const (
	absent   = "absent.test"
	vanished = "vanished.test"
)

// queue has mail wait for two destinations, and an operator hold, discard and
// release one of them: the other must not notice.
func (p *proof) queue(t *testing.T) {
	s := p.submission(t, p.sender)
	for _, domain := range []string{absent, vanished} {
		// An address where nobody listens: mail waits.
		publish(t, p.lab, domain, "A", p.outside.IPv4.String())
		t.Cleanup(func() { p.lab.Zone.Remove(domain, "A") })
	}
	mail := sealed(t, p.sender.addr)
	// waits wants so many recipients of a destination in a queue, by Postfix's own word.
	waits := func(domain, queue string, want int) {
		t.Helper()
		ctx := deadline(t, partTimeout)
		until(ctx, t, "mail to "+domain, func() bool {
			got := 0
			for line := range strings.Lines(p.script(t, "postqueue -j")) {
				if strings.Contains(line, `"queue_name": "`+queue+`"`) {
					got += strings.Count(line, "@"+domain+`"`) // not those in a reason
				}
			}
			return got == want
		})
	}
	send := func(to ...string) {
		t.Helper()
		if reply, err := s.SendAll(p.sender.addr, to, mail); err != nil || reply[:3] != "250" {
			t.Fatalf("sending: %s, %v", reply, err)
		}
	}
	says := func(command string, wants ...string) {
		t.Helper()
		out := p.script(t, "chatmaild %s", command)
		contains(t, command, out, wants...)
		if strings.Contains(out, "@") {
			t.Errorf("%s shows an address:\n%s", command, out)
		}
	}

	send("a@"+absent, "b@"+vanished)
	waits(absent, "deferred", 1)
	waits(vanished, "deferred", 1)
	says("queue", absent, "1 deferred: 451 4.4.1 ", vanished, "all            1")
	says("queue routes", absent+": no message accepted yet; last error", vanished+": ", "SMTP: it refuses connections", "next attempt")
	contains(t, "addresses on request", p.script(t, "chatmaild queue list --addresses"), "a@"+absent, p.sender.addr)

	says("queue hold "+absent, "held", "(1 queued)", "undo: chatmaild queue release "+absent)
	send("c@" + absent)
	waits(absent, "deferred", 2)
	says("queue", "held; undo: chatmaild queue release "+absent)
	contains(t, "status", p.script(t, "chatmaild status || true"), "mail to "+absent+" is held")
	contains(t, "why it waits", p.script(t, "postqueue -j"), "held by the operator")

	says("queue discard "+absent, "discarded", "undo: chatmaild queue release "+absent)
	send("d@"+absent, "e@"+vanished)
	waits(absent, "deferred", 0)
	waits(vanished, "deferred", 2)
	waits(absent, "active", 0)

	says("queue release "+absent, "released", "undo: chatmaild queue discard "+absent)
	send("f@" + absent)
	waits(absent, "deferred", 1)
	says("queue flush "+absent, "(1 queued)")

	// Our own users are delivered to all the while, and the queue is left empty.
	to := p.newAccount(t)
	p.send(t, s, p.sender, to.addr)
	says("queue discard "+absent, "discarded")
	says("queue discard "+vanished, "discarded")
	p.delivered(t)
	says("queue release "+absent, "(0 queued)")
	says("queue release "+vanished, "(0 queued)")
	says("queue", "the queue is empty")
	if n, err := p.imap(t, to).Select(); err != nil || n != 1 {
		t.Errorf("our own user has %d messages, %v; want 1", n, err)
	}
	says("run --skip-dns-check", "nothing to do")
}
