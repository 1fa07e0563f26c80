package lab

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// brokenSSH stands before ssh on the old machine: the line breaks where /root/cut says.
// Value: Postfix's unit.
const brokenSSH = `#!/bin/sh
case $(cat /root/cut 2>/dev/null):$* in
copying:*'--serve update'*) exit 255 ;;
off:*'--serve update'*) systemctl is-active --quiet %s || exit 255 ;;
there:*'chatmaild run'*) exit 255 ;;
done:*'chatmaild run'*) /usr/bin/ssh "$@"; exit 255 ;;
esac
exec /usr/bin/ssh "$@"
`

// introduce lets one machine in at another by ssh, as an operator does.
func introduce(t *testing.T, from, to *Relay) {
	t.Helper()
	if err := from.Introduce(deadline(t, installTimeout), to); err != nil {
		t.Fatal(err)
	}
}

// breakOff has a move break off at a point, and returns what the operator reads.
func (m *moving) breakOff(t *testing.T, at string) string {
	t.Helper()
	m.script(t, "echo %s >/root/cut", at)
	said := m.fails(t, m.old, "chatmaild", "move", "root@young")
	m.script(t, "rm /root/cut")
	return said
}

func (m *moving) backFromCopy(t *testing.T) {
	writeFile(t, m.old, "/usr/local/bin/ssh", 0o755, fmt.Sprintf(brokenSSH, m.old.PostfixUnit()))
	m.traffic = startTraffic(m)
	m.traffic.waitSent(deadline(t, stepTimeout), t, 2)
	contains(t, "move", m.breakOff(t, "copying"), "copy, while mail is on: ", "mail is on here as before; to resume, run the same command again")
	m.flows(t)
}

func (m *moving) backFromOff(t *testing.T) {
	contains(t, "move", m.breakOff(t, "off"), "copy the difference: ", "mail is off on both sides", `"chatmaild run" here goes back`)
	if res, err := m.old.Exec(deadline(t, stepTimeout), nil, "systemctl", "is-active", m.old.PostfixUnit(), "dovecot"); err != nil || strings.Contains("\n"+res.Stdout, "\nactive") {
		t.Errorf("mail is not off: %s, %v", res.Stdout, err)
	}
	m.script(t, "chatmaild run")
	m.flows(t)
}

// backFromThere goes back when the other side has all, and mail may be on there.
func (m *moving) backFromThere(t *testing.T) {
	said := m.breakOff(t, "there")
	contains(t, "move", said, "turn mail on there: ", "mail may be on at root@young already", `"chatmaild move root@THIS" there brings it back`)
	contains(t, "run on the old machine", m.fails(t, m.old, "chatmaild", "run"), "this relay has moved to root@young", "chatmaild move root@THIS")
	res, err := m.young.Exec(deadline(t, stepTimeout), nil, "chatmaild", "move", "root@"+m.old.Name)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("the move back:\n%s%s", res.Stderr, res.Stdout)
	if res.Code != 0 {
		t.Fatalf("exit status %d", res.Code)
	}
	contains(t, "the move back", res.Stdout, moveDomain+" is on root@"+m.old.Name+" now")
	contains(t, "run on the new machine", m.fails(t, m.young, "chatmaild", "run"), "this relay has moved to root@"+m.old.Name)
	m.flows(t)
}

// renew has the authority ask for a renewal: it is the same account's, for the same key.
func (m *moving) renew(t *testing.T) {
	m.plain.trust(t)
	m.plain.renew(t)
	if now := m.accountURI(t); now != m.account {
		t.Errorf("the account with the authority is %s, and was %s", now, m.account)
	}
}

func (m *moving) accountURI(t *testing.T) string {
	t.Helper()
	var state struct {
		AccountURI string `json:"account_uri"`
	}
	if err := json.Unmarshal([]byte(m.script(t, "cat "+stateFile)), &state); err != nil || state.AccountURI == "" {
		t.Fatalf("the account with the authority: %q, %v", state.AccountURI, err)
	}
	return state.AccountURI
}
