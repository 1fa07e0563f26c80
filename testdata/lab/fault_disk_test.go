package lab

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"testing"
	"time"

	"chatmaild/testdata/lab/core"
)

const (
	// oneDisk is where the file system is mounted that a small server has only one of.
	oneDisk = "/run/disk"

	// shareDisk moves what the servers write onto oneDisk, and beside it the mailbox of
	// a user who has old mail of half its size.
	shareDisk = `systemctl stop chatmaild.target 'chatmaild-*' dovecot 'postfix*'
systemctl reset-failed # and forget how often it started them again
mkdir ` + oneDisk + `
mount -t tmpfs -o size=64m,mode=755 tmpfs ` + oneDisk + `
for dir in /home/vmail /var/lib/chatmaild /var/lib/dovecot /var/lib/postfix /var/spool/postfix; do
	mkdir -p ` + oneDisk + `$dir
	cp -aT $dir ` + oneDisk + `$dir
	mount --bind ` + oneDisk + `$dir $dir
done
old=/home/vmail/mail/_relay.test/somebody@_relay.test
time=$(date -d '40 days ago' +%s)
mkdir -p $old/cur
echo '{PLAIN}password' >$old/password
head -c 32M /dev/zero >$old/cur/$time.M1P1.relay:2,S
touch -d @$time $old/cur/*
chown -R vmail: $old
systemctl start dovecot postfix chatmaild.target`

	// fillDisk is a program that takes each block of oneDisk, also one that comes free.
	fillDisk = `systemd-run --quiet --unit=filler sh -c 'while :; do cat /dev/zero >>` + oneDisk + `/filler; sleep 0.05; done 2>/dev/null'`
)

// fullDisk fills the disk that the queue, the mailboxes and our own files share. The
// clients keep what they write, Postfix what it has; the next expiry makes room.
//
// They write little meanwhile: each message makes the core try those before it again,
// and after seven tries it shows one as failed.
func (u *underway) fullDisk(t *testing.T) {
	ctx := deadline(t, stepTimeout)
	u.script(t, shareDisk)
	t.Logf("text both ways %v after the move", u.flows(t, time.Now()))
	name := filepath.Base(u.fill(t))

	u.script(t, "systemctl stop filler")
	start := time.Now()
	u.script(t, "systemctl start chatmaild-expire")
	u.status(t, "ok     disk")
	t.Logf("text both ways %v after", u.flows(t, start))
	if _, err := u.bob.WaitFile(ctx, name); err != nil {
		t.Error(err)
	}
	u.soon(t, "no mail to wait", `[ -z "$(`+deferred+`)" ]`)
	t.Logf("no mail waited %v after there was room", time.Since(start).Round(100*time.Millisecond))
	u.settle(t)
	u.onceThere(t, name)
	u.calm(t)
}

// fill fills the disk and returns the file that Alice has sent Bob before, which waits
// now: what is smaller would leave the queue, and make room in it. It returns when all
// that is to say that the disk is full has said so.
func (u *underway) fill(t *testing.T) (file string) {
	t.Helper()
	u.quiet.Lock()
	defer u.quiet.Unlock()
	ctx := deadline(t, stepTimeout)
	const lmtp = "/var/spool/postfix/private/dovecot-lmtp"
	u.script(t, "mv "+lmtp+" "+lmtp+".away")
	file = randomFile(t, 130_000)
	if _, err := u.alice.SendFile(ctx, u.ab, file); err != nil {
		t.Fatal(err)
	}
	u.soon(t, "the file to wait", deferred+" -size +100k | grep -q .")
	u.script(t, fillDisk)
	u.soon(t, "the disk to be full", `[ "$(df --output=avail `+oneDisk+` | tail -n 1)" -eq 0 ]`)
	u.script(t, "mv "+lmtp+".away "+lmtp)
	for from, chat := range map[*core.Profile]uint32{u.alice: u.ab, u.bob: u.ba} {
		if err := u.write(ctx, from, chat, from.Name+" writes onto a full disk"); err != nil {
			t.Fatal(err)
		}
	}
	u.status(t, "too little for Postfix")
	u.soon(t, "Dovecot to refuse", "journalctl --quiet --lines=1 --grep='save failed to INBOX.*No space left' | grep -q .")
	u.soon(t, "Postfix to refuse", "journalctl --quiet --lines=1 --grep='452 4.3.1 Insufficient system storage' | grep -q .")
	u.soon(t, "the file to wait for an hour", deferred+" -size +100k -exec touch -c -d '+1 hour' {} + -print | grep -q .")
	return file
}

// randomFile is a file that nothing makes smaller.
func randomFile(t *testing.T, size int) string {
	t.Helper()
	content := make([]byte, size)
	rand.Read(content)
	name := filepath.Join(t.TempDir(), "random.bin")
	if err := os.WriteFile(name, content, 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

// soon waits until a script succeeds.
func (u *underway) soon(t *testing.T, what, script string) {
	t.Helper()
	ctx := deadline(t, stepTimeout)
	until(ctx, t, what, func() bool {
		res, err := u.relay.Exec(ctx, nil, "sh", "-c", script)
		if err != nil {
			t.Fatal(err)
		}
		return res.Code == 0
	})
}

// onceThere wants Bob to have a file once.
func (u *underway) onceThere(t *testing.T, name string) {
	t.Helper()
	ctx := deadline(t, stepTimeout)
	var ids []uint32
	rpc(t, u.bob, &ids, "get_message_ids", u.ba, false, false)
	n := 0
	for _, id := range ids {
		m, err := u.bob.Message(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		if m.FileName == name {
			n++
		}
	}
	if n != 1 {
		t.Errorf("bob has %s %d times", name, n)
	}
}

// calm wants no unit to have failed or ended automatically since the move, and Postfix to
// have written no notes to a postmaster who does not exist.
func (u *underway) calm(t *testing.T) {
	t.Helper()
	broken, err := u.relay.Broken(deadline(t, stepTimeout))
	if err != nil {
		t.Fatal(err)
	}
	if len(broken) > 0 {
		t.Errorf("failed or started again: %v", broken)
	}
	if notes := u.script(t, `journalctl --quiet --grep="from=<$(chatmaild log 'double-bounce@`+u.relay.Domain+`')>" || true`); notes != "" {
		t.Errorf("notes to the postmaster: %s", notes)
	}
}
