package expire

import (
	"errors"
	"time"

	"chatmaild/store/maildir"
)

// Bounds that are not configured.
const (
	LargeSize = 200_000        // bytes; a message above this is large
	day       = 24 * time.Hour // of UTC, which has no leap seconds here

	emptyAfter = day // age of a directory that never became a mailbox
	maxAhead   = day // how far ahead of the clock a time is still believed
)

// FullPercent is how full a mailbox may be after an expiry. Dovecot warns at 75 %, and
// clients warn their user at 80 %.
const FullPercent = 70

// Protected is how long even a full mailbox keeps a message.
const Protected = day

// Limits says how long mail stays, and how much of it.
type Limits struct {
	Mails    time.Duration // any message, since its arrival
	Large    time.Duration // a large message in cur, where a client has seen it
	Inactive time.Duration // a mailbox, since the day of its last login
	Size     int64         // of a mailbox, in bytes as quota counts them
}

// NewLimits makes Limits of what is configured: days, and the largest size of a mailbox.
func NewLimits(mails, large, inactive int, mailbox int64) Limits {
	days := func(n int) time.Duration { return time.Duration(n) * day }
	return Limits{days(mails), days(large), days(inactive), SizeLimit(mailbox)}
}

// SizeLimit is what an expiry leaves of a mailbox that may have max bytes.
func SizeLimit(max int64) int64 { return max / 100 * FullPercent }

// Reason says why something goes.
type Reason int

// The reasons. Keep is none.
const (
	Keep     Reason = iota
	Old             // a message older than Limits.Mails
	Large           // a large message, seen, older than Limits.Large
	Full            // the oldest message of a mailbox that is too full
	Inactive        // a mailbox without a login for Limits.Inactive, and not blocked
	Empty           // a directory that never became a mailbox
	reasons
)

func (r Reason) String() string {
	return [reasons]string{"keep", "old", "large", "full", "inactive", "empty"}[r]
}

// errUndated: the clock that wrote the time was wrong, or someone set it. What
// cannot be dated stays.
var errUndated = errors.New("its time is before 1970 or in the future")

// Plan decides what goes at one moment. It is pure: names and times in, reasons out.
type Plan struct {
	now    int64
	limits Limits
	spared string
}

// NewPlan returns the plan for the moment now.
func NewPlan(now time.Time, limits Limits) Plan {
	return Plan{now: now.Unix(), limits: limits}
}

// Sparing returns the plan under which one mailbox stays even if nobody logs in;
// its messages go like all others.
func (p Plan) Sparing(addr string) Plan {
	p.spared = addr
	return p
}

// before returns the second that lies age before the plan's moment.
func (p Plan) before(age time.Duration) int64 { return p.now - int64(age/time.Second) }

// young reports whether a message that arrived at t is protected in a full mailbox.
func (p Plan) young(t int64) bool { return t >= p.before(Protected) }

// plausible reports whether the time t of a file can be true.
func (p Plan) plausible(t int64) bool { return t > 0 && t <= p.before(-maxAhead) }

// arrival returns when a message came: the later of the time in its name, which
// is when the server wrote it, and its mtime, which is the INTERNALDATE that a
// client may choose and which a careless copy of the store sets again. Of two
// times the later one deletes less.
func (p Plan) arrival(name, mtime int64) (t int64, err error) {
	if p.plausible(name) {
		t = name
	}
	if p.plausible(mtime) {
		t = max(t, mtime)
	}
	if t == 0 {
		return 0, errUndated
	}
	return t, nil
}

// message is a message file as its name and stat tell.
type message struct {
	name  maildir.Name
	in    maildir.Subdir
	mtime int64
	size  int64 // of the file
}

// bytes returns the length of the message, which the file's size is only if
// nothing compressed it.
func (m message) length() int64 {
	if m.name.Size >= 0 {
		return m.name.Size
	}
	return m.size
}

// nameSettles reports whether stat can say nothing new of a message: its size is known,
// and it stays, because arrival cannot be earlier than the time in the name.
func (p Plan) nameSettles(n maildir.Name, in maildir.Subdir) bool {
	if n.Size < 0 || !p.plausible(n.Time) || n.Time < p.before(p.limits.Mails) {
		return false
	}
	return in != maildir.Cur || n.Size <= LargeSize || n.Time >= p.before(p.limits.Large)
}

// message says why m goes.
func (p Plan) message(m message) (Reason, error) {
	t, err := p.arrival(m.name.Time, m.mtime)
	switch {
	case err != nil:
		return Keep, err
	case t < p.before(p.limits.Mails):
		return Old, nil
	case m.in == maildir.Cur && m.length() > LargeSize && t < p.before(p.limits.Large):
		return Large, nil
	}
	return Keep, nil
}

// mailbox says whether a mailbox goes whose password file has this mtime: the day
// of the last login. The limit counts from the end of that day.
func (p Plan) mailbox(mtime int64) (Reason, error) {
	if !p.plausible(mtime) {
		return Keep, errUndated
	}
	const seconds = int64(day / time.Second)
	if end := mtime - mtime%seconds + seconds; end < p.before(p.limits.Inactive) {
		return Inactive, nil
	}
	return Keep, nil
}

// empty says whether a directory goes that is not a mailbox, and in which nothing has
// changed since mtime.
func (p Plan) empty(mtime int64) Reason {
	if mtime < p.before(emptyAfter) {
		return Empty
	}
	return Keep
}
