package status

import (
	"fmt"
	"time"

	"chatmaild/applets/admin/desired"
	"chatmaild/applets/command"
	"chatmaild/store/expire"
)

// expiryWarning is how long after the last expiry status notes it. It is daily, and
// mail to a full mailbox bounces after two days.
const expiryWarning = 36 * time.Hour

// mailboxes says what the last expiry did.
func (e *examiner) mailboxes() {
	last, ok := expire.ReadRecord(expire.RecordFile(e.conf.ExpireDir()))
	if !ok {
		e.say("mailboxes", fine, "", "not checked yet: %s runs daily", desired.ExpireTimer)
		return
	}
	e.findings = append(e.findings, expiryFinding(e.now, last))
}

// expiryFinding judges the last expiry.
func expiryFinding(now time.Time, last expire.Record) finding {
	told := fmt.Sprintf("%d; the last expiry, %s ago, freed %s", last.Mailboxes, command.FormatDuration(now.Sub(last.Ended)), command.FormatSize(last.Freed))
	if last.Over > 0 {
		told += fmt.Sprintf("; above %d %% of max_mailbox_size: %d", expire.FullPercent, last.Over)
	}
	switch {
	case now.Sub(last.Ended) > expiryWarning:
		return finding{"mailboxes", notice, told, desired.Look("chatmaild-expire.service")}
	// The expiry has deleted all that it may: mail of the last day is never deleted.
	case last.StillOver > 0:
		return finding{"mailboxes", notice, fmt.Sprintf("%s; still so, with mail of the last 24 hours: %d", told, last.StillOver),
			"mail to a full mailbox is deferred for two days; raise max_mailbox_size if it is too small"}
	}
	return finding{"mailboxes", fine, told, ""}
}
