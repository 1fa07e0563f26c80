package lab

import (
	"strings"
	"testing"
)

// backAndForth puts a backup of the new machine, encrypted, in place on the old one.
func (m *moving) backAndForth(t *testing.T) {
	ctx := deadline(t, stepTimeout)
	m.script(t, `echo "correct horse" >/root/passphrase
chatmaild backup --passphrase-file /root/passphrase /root/relay.backup
chatmaild backup --verify --passphrase-file /root/passphrase /root/relay.backup
chatmaild backup >/root/plain.backup
tar -tf /root/plain.backup >/dev/null
head -c 300000 /root/plain.backup >/root/cut.backup`)
	said := m.fails(t, m.young, "chatmaild", "backup", "--verify", "/root/cut.backup")
	contains(t, "a backup that was cut off", said, "valid up to", "--continue")
	_, goOn, _ := strings.Cut(said, "to resume: ")
	goOn, _, _ = strings.Cut(strings.ReplaceAll(goOn, "FILE", "/root/cut.backup"), "\n")
	m.script(t, "%s", goOn)
	contains(t, "the backup that was continued", m.script(t, "chatmaild backup --verify /root/cut.backup"), "complete: ")
	contains(t, "restore on a living relay", m.fails(t, m.young, "chatmaild", "restore", "--passphrase-file", "/root/passphrase", "/root/relay.backup"),
		"there is a relay here already")

	house := houseOf(t, m.young)
	res, err := m.young.Exec(ctx, nil, "base64", "-w0", "/root/relay.backup")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.young.Run(ctx, "chatmaild", "run", "--disable-mail"); err != nil {
		t.Fatal(err)
	}
	m.at(m.old)
	if _, err := m.old.Exec(ctx, strings.NewReader(res.Stdout), "sh", "-c", "base64 -d >/root/relay.backup"); err != nil {
		t.Fatal(err)
	}
	m.script(t, `echo "correct horse" >/root/passphrase
chatmaild restore --overwrite --passphrase-file /root/passphrase /root/relay.backup
rm /var/lib/chatmaild/move.json
chatmaild run --skip-dns-check`)
	if err := m.old.publishAddresses(ctx); err != nil {
		t.Fatal(err)
	}
	if after := houseOf(t, m.old); after != house {
		t.Errorf("what was restored is something else:\n%s", firstDifference(house, after))
	}
	session := m.imap(t, m.crowd)
	if now := uidValidity(t, session); now != m.uidvalidity {
		t.Errorf("the mailbox that was restored: got %s, want %s", now, m.uidvalidity)
	}
}
