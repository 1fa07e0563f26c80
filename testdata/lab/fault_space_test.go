package lab

import (
	"testing"
	"time"
)

const (
	// ofSpace has the mailbox of the user whose address is $1, and where its disk is mounted.
	ofSpace = "box=/home/vmail/mail/${1#*@}/$1 disk=/run/disk message=/run/message\n"

	// ownSpace gives the mailbox a disk of its own, without the message that is new in it.
	ownSpace = ofSpace + `mkdir $disk
mount -t tmpfs -o size=1m,mode=700 tmpfs $disk
mv $box/new/* $message
cp -aT $box $disk
mount --bind $disk $box
systemctl restart dovecot`

	// fullSpace fills that disk, and has other messages come until Dovecot cannot note one:
	// as long as it writes into a block that a file has, it needs no new one. Then the message
	// comes again.
	fullSpace = ofSpace + `name=$(date +%s).M1P1.relay
for i in $(seq 40)
do
	printf 'Subject: [...]\r\n\r\n' >$disk/tmp/$name$(printf %0150d $i)
done
mv $message $disk/tmp/$name
chown vmail: $disk/tmp/*
systemd-run --quiet --unit=filler sh -c 'while :; do cat /dev/zero >>$0/filler; sleep 0.02; done 2>/dev/null' $disk
until [ "$(df --output=avail $disk | tail -n 1)" -eq 0 ]; do sleep 0.1; done
i=1
until journalctl --quiet --lines=1 --grep='uidlist.*No space left' | grep -q .
do
	mv $disk/tmp/$name$(printf %0150d $i) $disk/new # of which there are enough
	i=$((i + 1))
	sleep 0.3
done
mv $disk/tmp/$name $disk/new`

	spaceAgain = ofSpace + "systemctl stop filler; rm $disk/filler"
)

// TestFullMailbox has a message come while Dovecot has no room for what it notes of it: it
// would watch the mailbox no more (instant_idle.c, 5). The real client has the message once
// there is room, without another one that would wake it.
func TestFullMailbox(t *testing.T) {
	t.Parallel()
	l, r := startRelay(t, "_space.test")
	alice, bob := startProfile(t, l, "alice", r.SignUpQR()), startProfile(t, l, "bob", r.SignUpQR())
	ctx := deadline(t, 2*stepTimeout)
	chat := secureJoin(t, alice, bob, nil)
	say(t, alice, chat, bob, "hello Bob")
	run := func(script string) {
		t.Helper()
		if _, err := r.Run(ctx, "sh", "-euc", script, "space", bob.Addr); err != nil {
			t.Fatal(err)
		}
	}
	rpc(t, bob, nil, "stop_io")
	mail, err := r.WatchMail(bob.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer mail.Close()
	const text = "this comes while the disk is full"
	start := time.Now()
	send(t, alice, chat, text)
	if _, err := mail.After(ctx, bob.Addr, start); err != nil {
		t.Fatal(err)
	}
	run(ownSpace)
	if err := bob.StartIO(ctx); err != nil {
		t.Fatal(err)
	}
	say(t, alice, chat, bob, "are you there?")
	run(fullSpace)
	run(spaceAgain)
	if _, _, err := bob.WaitText(ctx, text); err != nil {
		t.Fatal(err)
	}
}
