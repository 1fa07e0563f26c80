package status

import (
	"fmt"

	"chatmaild/applets/admin/desired"
	"chatmaild/applets/admin/host"
	"chatmaild/applets/admin/transfer/snapshot"
	"chatmaild/applets/command"
)

// diskWarning is how much of a disk should be free, in percent.
const diskWarning = 10

// disks looks at the disk of the mailboxes, and at that of Postfix's queue if it is
// another.
func (e *examiner) disks() {
	mail, err := e.machine.Disk(e.conf.MailboxesDir)
	if err != nil {
		e.say("disk", trouble, "chatmaild run", "%v", err)
		return
	}
	needs := diskNeeds{accounts: int64(e.conf.MinFreeDiskSpace)}
	// Postfix refuses mail below queue_minfree, doveauth creates no account below
	// min_free_disk_space: on one disk the two add up, on two each has its own.
	queue, err := e.machine.Disk(snapshot.Spool)
	switch {
	case err != nil:
		e.say("queue's disk", trouble, "is Postfix installed?", "%v", err)
	case queue.Device == mail.Device:
		needs.queue = desired.QueueRoom(e.conf)
	default:
		l, words, hint := judgeDisk(queue, diskNeeds{queue: desired.QueueRoom(e.conf)})
		e.say("queue's disk", l, hint, "%s", words)
	}
	l, words, hint := judgeDisk(mail, needs)
	e.say("disk", l, hint, "%s", words)
}

// diskNeeds is how much has to be free for what is done on a disk, in bytes.
type diskNeeds struct{ queue, accounts int64 }

// judgeDisk tells what does not work for want of room.
func judgeDisk(d host.Disk, needs diskNeeds) (l level, words, hint string) {
	percent := 100 * d.Free / max(d.Size, 1)
	free := fmt.Sprintf("%s free of %s", command.FormatSize(d.Free), command.FormatSize(d.Size))
	const room = "make room, or lower delete_mails_after, then: chatmaild expire"
	switch {
	// A mailbox is a file for each message, so inodes can run out before bytes. File systems
	// without such a limit say 0 files (btrfs).
	case d.Files > 0 && d.FreeFiles == 0:
		return trouble, fmt.Sprintf("%s; no more files can be created, so mail is deferred", free), room
	case d.Free < needs.queue:
		return trouble, fmt.Sprintf("%s: too little for Postfix, which refuses mail", free), room
	case d.Free == 0:
		return trouble, fmt.Sprintf("%s: no room for mail, which is deferred", free), room
	case d.Free < needs.accounts:
		return trouble, fmt.Sprintf("%s: below min_free_disk_space, so no accounts are created", free),
			"make room, or lower delete_mails_after or min_free_disk_space"
	case percent < diskWarning:
		return notice, fmt.Sprintf("%s (%d %%)", free, percent), "make room, or lower delete_mails_after"
	}
	return fine, fmt.Sprintf("%s (%d %%)", free, percent), ""
}
