package lab

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"chatmaild/testdata/lab/core"
)

// expire is the proof that mail goes when its time has come, beside a real
// client and a live Dovecot.
func (p *proof) expire(t *testing.T) {
	eachStep(t, p, []step[*proof]{
		{"timer", (*proof).timer},
		{"last login", (*proof).lastLogin},
		{"old messages", (*proof).oldMessages},
		{"full mailbox", (*proof).fullMailbox},
		{"full of today's mail", (*proof).fullOfToday},
		{"inactive user", (*proof).inactiveUser},
	})
}

func (p *proof) timer(t *testing.T) {
	next := p.script(t, "systemctl show --value --property=NextElapseUSecRealtime chatmaild-expire.timer")
	if state := p.script(t, "systemctl show --value --property=ActiveState chatmaild-expire.timer"); state != "active" || next == "" || next == "n/a" {
		t.Errorf("the timer is %s, next %q", state, next)
	}
}

// lastLogin has a user log in who did not for some days.
func (p *proof) lastLogin(t *testing.T) {
	a := p.newAccount(t)
	file := p.home(a.addr) + "/password"
	p.script(t, "touch -d '5 days ago' '%s'", file)
	p.imap(t, a)
	today := time.Now().UTC().Truncate(24 * time.Hour).Unix()
	until(deadline(t, partTimeout), t, "the day of the login", func() bool {
		return p.script(t, "stat -c %%Y '%s'", file) == strconv.FormatInt(today, 10)
	})
}

// age makes the messages of a mailbox, a glob pattern of cur/ or new/, older:
// time in the name, and mtime.
func (p *proof) age(t *testing.T, pattern string, days int) {
	t.Helper()
	when := time.Now().AddDate(0, 0, -days).Unix()
	p.script(t, `for f in %s; do
	[ -e "$f" ] || continue # a pattern of nothing
	name=${f##*/}
	to=${f%%/*}/%d.${name#*.}
	mv "$f" "$to"
	touch -d @%d "$to"
done`, pattern, when, when)
}

// expireNow runs the unit of the timer.
func (p *proof) expireNow(t *testing.T) {
	t.Helper()
	p.script(t, "systemctl start chatmaild-expire.service")
}

// oldMessages lets messages of a user who has several devices, so that they
// stay on the server, grow old while the user is away.
func (p *proof) oldMessages(t *testing.T) {
	ctx := deadline(t, partTimeout)
	bob := startProfile(t, p.lab, "expire-bob", p.relay.SignUpQR())
	alice := startProfile(t, p.lab, "expire-alice", p.relay.SignUpQR())
	rpc(t, bob, nil, "set_config", "bcc_self", "1")
	chat := secureJoin(t, alice, bob, nil)
	say(t, alice, chat, bob, "before")
	rpc(t, bob, nil, "stop_io")
	password, err := bob.Password(ctx)
	if err != nil {
		t.Fatal(err)
	}
	home := p.home(bob.Addr)
	files := func() int {
		n, err := strconv.Atoi(p.script(t, "ls '%[1]s/cur' '%[1]s/new' | grep -c S= || true", home))
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := files()
	for _, text := range []string{"old one", "old two"} {
		send(t, alice, chat, text)
	}
	until(ctx, t, "two messages more", func() bool { return files() == before+2 })
	p.age(t, "'"+home+"'/new/*", 30)
	old := p.script(t, "ls '%s/new' | wc -l", home)
	// Bob's real client fetches what is old, and another session has it open.
	if err := bob.StartIO(ctx); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"old one", "old two"} {
		if _, _, err := bob.WaitText(ctx, text); err != nil {
			t.Fatal(err)
		}
	}
	say(t, alice, chat, bob, "new")
	session := p.imap(t, account{bob.Addr, password})
	selected, err := session.OK("SELECT INBOX")
	if err != nil {
		t.Fatal(err)
	}
	have := files()
	from := bob.Position()
	p.expireNow(t)
	n, err := strconv.Atoi(old)
	if err != nil || n < 2 {
		t.Fatalf("%s messages were made old: %v", old, err)
	}
	if got := files(); got != have-n {
		t.Errorf("%d messages of %d are there, %d were old", got, have, n)
	}
	// Dovecot may find a file gone a second later, when another session has looked
	// at the directory between two deletions.
	var told []string
	until(ctx, t, "the session is notified of all that went", func() bool {
		untagged, err := session.OK("NOOP")
		if err != nil {
			t.Fatal(err)
		}
		told = append(told, untagged...)
		return strings.Count(strings.Join(told, "\n"), " EXPUNGE") >= n
	})
	if got := strings.Count(strings.Join(told, "\n"), " EXPUNGE"); got != n {
		t.Errorf("the session is notified of %d expunged messages, want %d: %q", got, n, told)
	}
	again, err := session.OK("SELECT INBOX")
	if err != nil {
		t.Fatal(err)
	}
	if was, is := validity(selected), validity(again); was == "" || was != is {
		t.Errorf("UIDVALIDITY was %q, is %q", was, is)
	}
	say(t, alice, chat, bob, "after")
	if e, _, err := bob.Events.Next(expired(), from, func(e core.Event) bool { return e.Kind == "Error" }); err == nil {
		t.Errorf("the client saw an error: %s", e.Msg)
	}
	p.quota(t, bob.Addr)
}

// validity is the UIDVALIDITY of a SELECT (RFC 3501, section 6.3.1).
func validity(untagged []string) string {
	_, rest, _ := strings.Cut(strings.Join(untagged, "\n"), "[UIDVALIDITY ")
	value, _, _ := strings.Cut(rest, "]")
	return value
}

// quota compares what Dovecot thinks to be in a mailbox with what is there.
func (p *proof) quota(t *testing.T, addr string) {
	t.Helper()
	files := p.script(t, `find '%s' -type f -path '*/[cn][ue][rw]/*' -printf '%%f\n' | sed -n 's/.*,S=\([0-9]*\).*/\1/p' | awk '{n += $1} END {print int((n + 1023) / 1024)}'`, p.home(addr))
	table := p.script(t, "doveadm -f tab quota get -u '%s'", addr)
	var got string
	for line := range strings.Lines(table) {
		if fields := strings.Split(line, "\t"); len(fields) > 2 && fields[1] == "STORAGE" {
			got = fields[2]
		}
	}
	if got != files {
		t.Errorf("doveadm quota get says %s KiB, the files have %s\n%s", got, files, table)
	}
}

// fullMailbox fills a mailbox up to where Dovecot warns.
func (p *proof) fullMailbox(t *testing.T) {
	const size = 1 << 20
	a := p.newAccount(t)
	session := p.imap(t, a)
	mail := sealed(t, a.addr)
	mail = strings.ReplaceAll(mail, "\n", "\r\n") + strings.Repeat(strings.Repeat("x", 62)+"\r\n", size/64)
	appendMail := func() {
		t.Helper()
		if _, err := session.OK("APPEND INBOX {%d+}\r\n%s", len(mail), mail); err != nil {
			t.Fatal(err)
		}
	}
	count := func() int {
		n, err := strconv.Atoi(p.script(t, "ls '%[1]s/cur' '%[1]s/new' | grep -c S=", p.home(a.addr)))
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	const fits = smallMailbox * 3 / 4 / (size + 4096) // below the first warning
	for range fits {
		appendMail()
	}
	if got := count(); got != fits {
		t.Fatalf("%d messages of %d are there before the mailbox is full", got, fits)
	}
	p.age(t, fmt.Sprintf("'%[1]s'/cur/* '%[1]s'/new/*", p.home(a.addr)), 2)
	if _, err := session.Select(); err != nil { // Dovecot learns the new names
		t.Fatal(err)
	}
	appendMail()
	kept := strings.ReplaceAll(mail, "\r\n", "\n") // so Dovecot stores it, and counts
	left := smallMailbox * 7 / 10 / len(kept)
	until(deadline(t, partTimeout), t, "the oldest messages to go", func() bool { return count() <= left })
	if _, err := session.Select(); err != nil {
		t.Fatal(err)
	}
	p.quota(t, a.addr)
	if got := count(); got != left {
		t.Errorf("%d messages of %d are left, want %d", got, fits+1, left)
	}
	if got := p.script(t, "find '%s' -type f -path '*/[cn][ue][rw]/*' -mmin -60 | wc -l", p.home(a.addr)); got != "1" {
		t.Errorf("of the last hour there are %s messages, want 1", got)
	}
}

// fullOfToday fills a mailbox within a day, so that nothing of it may go when Dovecot
// warns: mail to it waits, and arrives once a daily run has made room.
func (p *proof) fullOfToday(t *testing.T) {
	a := p.newAccount(t)
	session := p.imap(t, a)
	const header = "From: <x@station.test>\r\n\r\n"
	for size := 1 << 20; size >= 256; size /= 2 {
		mail := header + strings.Repeat(strings.Repeat("x", 62)+"\r\n", size/64)
		for i := range smallMailbox/size + 1 {
			if _, err := session.OK("APPEND INBOX {%d+}\r\n%s", len(mail), mail); err != nil {
				if !strings.Contains(err.Error(), "OVERQUOTA") {
					t.Fatalf("message %d of %d bytes: %v", i, size, err)
				}
				break
			}
		}
	}
	used := func() int {
		n, err := strconv.Atoi(p.script(t, `find '%s' -path '*/[cn][ue][rw]/*' -printf '%%f\n' | sed -n 's/.*,S=\([0-9]*\).*/\1/p' | awk '{n += $1} END {print n}'`, p.home(a.addr)))
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	full := used()
	if full < smallMailbox*96/100 {
		t.Fatalf("%d bytes are not a full mailbox", full)
	}

	p.send(t, p.submission(t, p.sender), p.sender, a.addr)
	until(deadline(t, partTimeout), t, "the message to be deferred", func() bool {
		queued := p.script(t, "postqueue -j")
		return strings.Contains(queued, `"queue_name": "deferred"`) && strings.Contains(queued, "452 4.2.2") && strings.Contains(queued, a.addr)
	})
	p.expireNow(t)
	if got := used(); got != full {
		t.Errorf("of %d bytes of today %d are left", full, got)
	}
	contains(t, "status", p.script(t, "chatmaild status || true"), "above 70 % of max_mailbox_size: 1; still so, with mail of the last 24 hours: 1")
	contains(t, "metrics", p.script(t, "chatmaild metrics --print"), "\nchatmaild_expire_mailboxes_over 1\n", "\nchatmaild_expire_mailboxes_still_over 1\n")

	p.age(t, fmt.Sprintf("'%[1]s'/cur/* '%[1]s'/new/*", p.home(a.addr)), 2)
	p.expireNow(t)
	const limit = smallMailbox / 100 * 70
	if got := used(); got > limit || got < limit-1<<20-1<<10 {
		t.Errorf("%d bytes are left, want the youngest of at most %d", got, limit)
	}
	contains(t, "status", p.script(t, "chatmaild status || true"), "above 70 % of max_mailbox_size: 1\n")
	contains(t, "metrics", p.script(t, "chatmaild metrics --print"), "\nchatmaild_expire_mailboxes_still_over 0\n")
	p.script(t, "postqueue -f")
	p.delivered(t)
	if got := p.script(t, "find '%s/new' -type f -mmin -60 | wc -l", p.home(a.addr)); got != "1" {
		t.Errorf("%s messages came after there was room, want 1", got)
	}
	if _, err := session.Select(); err != nil {
		t.Fatal(err)
	}
	p.quota(t, a.addr)
}

// inactiveUser has a user who does not log in for long. Who comes later, with the
// same address, finds nothing of it.
func (p *proof) inactiveUser(t *testing.T) {
	a, active := p.newAccount(t), p.newAccount(t)
	session := p.imap(t, a)
	const token = "openpgp:bGVmdCBiZWhpbmQ="
	if _, err := session.OK(`SETMETADATA INBOX (/private/devicetoken "%s")`, token); err != nil {
		t.Fatal(err)
	}
	if got := stored(t, session); !strings.Contains(got, token) {
		t.Fatalf("stored: %s", got)
	}
	session.Close()
	p.script(t, "touch -d '100 days ago' '%s/password'", p.home(a.addr))
	p.expireNow(t)
	if got := p.script(t, "ls -d '%s' '%s' 2>/dev/null || true", p.home(a.addr), p.home(active.addr)); got != p.home(active.addr) {
		t.Errorf("left are %q, want the active one alone", got)
	}
	again := account{a.addr, "another password 123"}
	if got := stored(t, p.imap(t, again)); strings.Contains(got, token) {
		t.Errorf("a new user has the old one's token: %s", got)
	}
}
