package expire

import (
	"fmt"
	"testing"
	"time"

	"chatmaild/store/maildir"
)

// now is the moment of all tests: noon, so that days are not whole.
var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

var limits = NewLimits(20, 7, 90, 1<<40)

// ago returns the second that lies so many days before now.
func ago(days float64) int64 { return now.Unix() - int64(days*86400) }

func TestPlanMessage(t *testing.T) {
	tests := []struct {
		why       string
		in        maildir.Subdir
		name      int64
		nameSize  int64
		mtime     int64
		size      int64
		want      Reason
		undated   bool
		nameStays bool // whatever stat says
	}{
		{why: "young", in: maildir.Cur, name: ago(1), nameSize: 500, mtime: ago(1), nameStays: true},
		{why: "young, only stat knows the size", in: maildir.Cur, name: ago(1), nameSize: -1, mtime: ago(1), size: 500},
		{why: "just under the limit", in: maildir.Cur, name: ago(20) + 1, nameSize: 500, mtime: ago(20), nameStays: true},
		{why: "at the limit", in: maildir.Cur, name: ago(20), nameSize: 500, mtime: ago(20), nameStays: true},
		{why: "just over the limit", in: maildir.Cur, name: ago(20) - 1, nameSize: 500, mtime: ago(20) - 1, want: Old},
		{why: "old and never seen", in: maildir.Fresh, name: ago(21), nameSize: 500, mtime: ago(21), want: Old},
		{why: "old and never delivered", in: maildir.Tmp, name: ago(21), nameSize: 500, mtime: ago(21), want: Old},
		{why: "large and seen", in: maildir.Cur, name: ago(8), nameSize: 200_001, mtime: ago(8), want: Large},
		{why: "just not large", in: maildir.Cur, name: ago(8), nameSize: 200_000, mtime: ago(8), nameStays: true},
		{why: "large and not seen", in: maildir.Fresh, name: ago(8), nameSize: 200_001, mtime: ago(8), nameStays: true},
		{why: "large and young", in: maildir.Cur, name: ago(6), nameSize: 900_000, mtime: ago(6), nameStays: true},
		{why: "large, but compressed", in: maildir.Cur, name: ago(8), nameSize: 300_000, mtime: ago(8), size: 9_000, want: Large},
		{why: "large, only stat says so", in: maildir.Cur, name: ago(8), nameSize: -1, mtime: ago(8), size: 300_000, want: Large},
		{why: "small, only stat says so", in: maildir.Cur, name: ago(8), nameSize: -1, mtime: ago(8), size: 3_000},
		{why: "uploaded yesterday with an old INTERNALDATE", in: maildir.Cur, name: ago(1), nameSize: 5, mtime: ago(400), nameStays: true},
		{why: "copied yesterday without its times", in: maildir.Cur, name: ago(400), nameSize: 5, mtime: ago(1)},
		{why: "old, INTERNALDATE in the future", in: maildir.Cur, name: ago(30), nameSize: 5, mtime: ago(-400), want: Old},
		{why: "old, INTERNALDATE before 1970", in: maildir.Cur, name: ago(30), nameSize: 5, mtime: -86400, want: Old},
		{why: "name in the future, mtime old", in: maildir.Cur, name: ago(-400), nameSize: 5, mtime: ago(30), want: Old},
		{why: "name in the future, mtime young", in: maildir.Cur, name: ago(-400), nameSize: 5, mtime: ago(3)},
		{why: "no time in the name, mtime old", in: maildir.Cur, nameSize: -1, mtime: ago(30), want: Old},
		{why: "no time at all", in: maildir.Cur, nameSize: -1, mtime: 0, undated: true},
		{why: "both in the future", in: maildir.Cur, name: ago(-3), nameSize: 5, mtime: ago(-3), undated: true},
		{why: "before 1970", in: maildir.Cur, nameSize: 5, mtime: -1, undated: true},
		{why: "a little ahead of the clock", in: maildir.Cur, name: ago(-0.5), nameSize: 5, mtime: ago(-0.5), nameStays: true},
	}
	plan := NewPlan(now, limits)
	for _, tt := range tests {
		m := message{maildir.Name{Time: tt.name, Size: tt.nameSize}, tt.in, tt.mtime, tt.size}
		got, err := plan.message(m)
		if got != tt.want || (err != nil) != tt.undated {
			t.Errorf("%s: got %v, %v; want %v, undated %v", tt.why, got, err, tt.want, tt.undated)
		}
		if got := plan.nameSettles(m.name, m.in); got != tt.nameStays {
			t.Errorf("%s: nameSettles = %v, want %v", tt.why, got, tt.nameStays)
		}
	}
}

// FuzzPlan: a name settles only what stat could not change, and nothing young is
// ever deleted.
func FuzzPlan(f *testing.F) {
	f.Add(ago(30), int64(5), ago(30), int64(5), uint8(0))
	f.Add(ago(8), int64(-1), int64(-1), int64(1<<40), uint8(1))
	plan := NewPlan(now, limits)
	f.Fuzz(func(t *testing.T, name, nameSize, mtime, size int64, in uint8) {
		m := message{maildir.Name{Time: max(name, 0), Size: max(nameSize, -1)}, []maildir.Subdir{maildir.Cur, maildir.Fresh, maildir.Tmp}[in%3], mtime, max(size, 0)}
		reason, err := plan.message(m)
		if plan.nameSettles(m.name, m.in) && (reason != Keep || err != nil) {
			t.Fatalf("%+v: the name settles that it stays, but %v, %v", m, reason, err)
		}
		young := func(s int64) bool { return s >= ago(7) && s <= now.Unix() }
		if reason != Keep && (young(m.name.Time) || young(m.mtime)) {
			t.Fatalf("%+v goes as %v", m, reason)
		}
	})
}

func TestPlanMailbox(t *testing.T) {
	midnight := now.Truncate(day).Unix()
	tests := []struct {
		login   int64
		want    Reason
		undated bool
	}{
		{midnight, Keep, false},
		{midnight - 90*86400, Keep, false},
		// The login was some time on that day, at the latest 90.5 days ago.
		{midnight - 91*86400, Inactive, false},
		{midnight - 91*86400 + 3600, Inactive, false},
		{midnight - 90*86400 + 3600, Keep, false},
		{midnight - 1000*86400, Inactive, false},
		{midnight + 86400, Keep, false},
		{midnight + 30*86400, Keep, true},
		{0, Keep, true},
		{-86400, Keep, true},
	}
	for _, tt := range tests {
		got, err := NewPlan(now, limits).mailbox(tt.login)
		if got != tt.want || (err != nil) != tt.undated {
			t.Errorf("login %v: got %v, %v; want %v, undated %v", time.Unix(tt.login, 0).UTC(), got, err, tt.want, tt.undated)
		}
	}
}

func TestCheckClock(t *testing.T) {
	built := time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)
	tests := []struct {
		why       string
		now, last time.Time
		ok        bool
	}{
		{"first run", now, time.Time{}, true},
		{"the day after", now, now.Add(-day), true},
		{"a week after", now, now.Add(-7 * day), true},
		{"more than a week after", now, now.Add(-7*day - time.Second), false},
		{"a year after", now, now.AddDate(-1, 0, 0), false},
		{"the clock went back", now, now.AddDate(0, 1, 0), true},
		{"before the build", built.Add(-time.Second), time.Time{}, false},
		{"1970", time.Unix(0, 0), time.Time{}, false},
	}
	for _, tt := range tests {
		if err := CheckClock(tt.now, built, tt.last); (err == nil) != tt.ok {
			t.Errorf("%s: got %v, want ok %v", tt.why, err, tt.ok)
		}
	}
}

func TestCheckSet(t *testing.T) {
	last := now.Add(-day)
	for _, tt := range []struct {
		why   string
		ahead time.Duration
		ok    bool
	}{
		{"nobody set it", 0, true},
		{"back", -30 * day, true},
		{"some hours ahead", 20 * time.Hour, true},
		{"three days ahead", 3 * day, false},
	} {
		if err := CheckSet(now.Add(tt.ahead), last, day); (err == nil) != tt.ok {
			t.Errorf("%s: got %v, want ok %v", tt.why, err, tt.ok)
		}
	}
}

func TestReasonString(t *testing.T) {
	seen := map[string]bool{}
	for r := Keep; r < reasons; r++ {
		if s := r.String(); s == "" || seen[s] {
			t.Errorf("reason %d is called %q", r, s)
		} else {
			seen[s] = true
		}
	}
	if got, want := fmt.Sprint(Inactive), "inactive"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
