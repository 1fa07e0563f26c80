package lab

import (
	"strings"
	"testing"
	"time"

	"chatmaild/testdata/kit/nameserver"
)

// TestFaults breaks a relay in many ways while real clients write to each other.
// Each time status names the cause, nothing is lost, and all works again automatically
// once the cause has gone; so does mail that Postfix would have kept for another
// hour, see putOff.
//
// A clock that jumps is not among them: the machine has one for all of its
// containers. TestClock has a relay with one of its own.
func TestFaults(t *testing.T) {
	t.Parallel()
	u := startUnderway(t, "_relay.test", `min_free_disk_space = "10M"`, `max_message_size = 1048576`)
	inTurn(t, u, []step[*underway]{
		{"daemons are killed", (*underway).kills},
		{"servers are killed", (*underway).killsServers},
		{"servers restart", (*underway).restartsServers},
		{"no DNS", (*underway).noDNS},
		{"reboot", (*underway).rebootsUnderway},
		{"full disk", (*underway).fullDisk},
	})
	u.stop()
	u.over.Wait()
	u.settle(t)
	if queue := u.script(t, "postqueue -j"); queue != "" {
		t.Errorf("in the queue: %s", queue)
	}
}

// kills kills each of our daemons. systemd starts it again, and status tells that it
// did.
func (u *underway) kills(t *testing.T) {
	var words []string
	for unit := range strings.FieldsSeq(ourDaemons) {
		u.script(t, "systemctl kill --signal=KILL "+unit)
		words = append(words, "note   "+strings.TrimPrefix(unit, "chatmaild-"))
	}
	u.status(t, words...)
	t.Logf("text both ways %v after", u.flows(t, time.Now()))
	u.settle(t)
}

// killsServers kills what Debian's packages bring.
func (u *underway) killsServers(t *testing.T) {
	for _, server := range []struct{ kill, part string }{
		{"systemctl kill --signal=KILL dovecot", "dovecot"},
		{"systemctl kill --signal=KILL nginx", "nginx"},
		{"systemctl kill --signal=KILL chatmaild-transport", "transport"},
		{"systemctl kill --signal=KILL " + u.relay.PostfixUnit(), strings.TrimSuffix(u.relay.PostfixUnit(), ".service")},
	} {
		u.script(t, server.kill)
		start := time.Now()
		u.status(t, "note   "+server.part)
		t.Logf("%s: told after %v, text both ways after %v", server.part, time.Since(start).Round(100*time.Millisecond), u.flows(t, start))
	}
	u.settle(t)
}

func (u *underway) restartsServers(t *testing.T) {
	for _, unit := range []string{u.relay.PostfixUnit(), "dovecot"} {
		u.script(t, "systemctl restart "+unit)
		t.Logf("%s: text both ways %v after", unit, u.flows(t, time.Now()))
	}
	u.settle(t)
}

// noDNS is a machine whose resolver is silent. Mail between its own users flows on.
func (u *underway) noDNS(t *testing.T) {
	const far = "_far.test"
	// Nobody answers there: that it was tried is enough.
	publish(t, u.lab, far, "A", u.bob.Client.IPv4.String())
	u.lab.Zone.SetFault(nameserver.Silent)
	defer u.lab.Zone.SetFault(nameserver.Healthy)
	u.script(t, "echo | sendmail -f "+u.alice.Addr+" somebody@"+far)
	u.status(t, "name servers", "do not answer")
	u.mu.Lock()
	text := u.sent[u.alice][len(u.sent[u.alice])-1]
	u.mu.Unlock()
	if _, _, err := u.bob.WaitText(deadline(t, stepTimeout), text); err != nil {
		t.Error(err)
	}
	waitDeferred(t, u.relay, "Name service error")
	u.putOff(t)
	u.lab.Zone.SetFault(nameserver.Healthy)
	start := time.Now()
	waitDeferred(t, u.relay, "connection refused")
	t.Logf("mail to another relay was tried %v after", time.Since(start).Round(100*time.Millisecond))
	u.script(t, `postsuper -d $(postqueue -j | sed -n '/`+far+`/s/.*"queue_id": "\([^"]*\)".*/\1/p')`)
	u.status(t, "ok     name servers")
	t.Logf("text both ways %v after", u.flows(t, start))
	u.settle(t)
}

// deferred lists the files of messages that Postfix could not deliver yet.
const deferred = "find /var/spool/postfix/deferred -type f"

// putOff has Postfix wait for another hour before it tries again what it has deferred,
// as it does automatically with what it could not deliver for an hour.
func (u *underway) putOff(t *testing.T) {
	t.Helper()
	if n := u.script(t, deferred+" -exec touch -c -d '+1 hour' {} + -print | wc -l"); n == "0" {
		t.Error("nothing was deferred")
	}
}

func (u *underway) rebootsUnderway(t *testing.T) {
	if err := u.relay.Reboot(deadline(t, stepTimeout)); err != nil {
		t.Fatal(err)
	}
	t.Logf("text both ways %v after", u.flows(t, time.Now()))
	u.settle(t)
}
