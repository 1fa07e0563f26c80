package expire

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"chatmaild/store/maildir"
)

func TestShrink(t *testing.T) {
	s := newTestStore(t)
	s.mailbox(addr, ago(1))
	// Two an hour, each of 10 bytes, alternately in directories of all kinds.
	where := []string{"/cur/", "/new/", "/.Sent/cur/"}
	var paths []string
	for i := range 100 {
		at := now.Unix() - int64(100-i)*1800
		path := addr + where[i%3] + name(at, i, 10)
		s.file(path, at, 7) // on the disk it is compressed
		paths = append(paths, path)
	}
	s.file(addr+"/tmp/"+name(ago(3), 1, 1000), ago(3), 1000) // does not count
	s.file(addr+"/cur/.hidden", ago(3), 1000)

	tests := []struct {
		target, deleted int64
	}{
		{1000, 0}, // nothing to do
		{705, 30}, // 70 of 10 bytes are left
		{705, 0},
		{10, 22}, // the last 24 hours, 48 messages, stay
	}
	left := 0
	for _, tt := range tests {
		var faults maildir.Faults
		got, err := s.open().Shrink(t.Context(), addr, tt.target, now, &faults)
		if err != nil || faults.Total() != 0 || got != (Tally{tt.deleted, 7 * tt.deleted}) {
			t.Errorf("to %d: got %+v, %v, %+v; want %d deleted", tt.target, got, err, faults.Kinds(), tt.deleted)
		}
		left += int(tt.deleted)
		for i, path := range paths {
			if s.exists(path) != (i >= left) {
				t.Errorf("to %d: message %d of 100 exists: %v", tt.target, i, s.exists(path))
			}
		}
		if s.exists(addr+"/maildirsize") != (left == 0) {
			t.Errorf("to %d: maildirsize exists: %v", tt.target, left > 0)
		}
	}
}

// TestShrinkInBatches: more goes than is remembered at once.
func TestShrinkInBatches(t *testing.T) {
	s := newTestStore(t)
	s.mailbox(addr, ago(1))
	const n, keep = 2*shrinkBatch + 500, 100
	for i := range n {
		s.file(addr+"/cur/"+name(ago(10)+int64(i), i, 10), ago(10)+int64(i), 0)
	}
	got, err := s.open().Shrink(t.Context(), addr, keep*10, now, &maildir.Faults{})
	s.must(err)
	if got.Count != n-keep {
		t.Errorf("deleted %d, want %d", got.Count, n-keep)
	}
	if left, err := os.ReadDir(s.path(addr, "cur")); err != nil || len(left) != keep || left[0].Name() != name(ago(10)+n-keep, n-keep, 10) {
		t.Errorf("%d are left, the oldest %v, %v; want the %d youngest", len(left), left[0], err, keep)
	}
}

// TestExpireShrinks: the daily run brings every mailbox to its limit, whatever kept
// Dovecot's warning from doing so, and a dry run says the same.
func TestExpireShrinks(t *testing.T) {
	type mail struct {
		days    float64
		n, size int
	}
	const limit = 7000 // of mailboxes of 10,000 bytes
	tests := []struct {
		why       string
		mails     []mail // in the order of their age
		full      int64  // messages deleted because the mailbox is full
		others    int64  // and because they are old or large
		left      int
		over, not bool
	}{
		{why: "empty"},
		{why: "at the limit", mails: []mail{{3, 7, 1000}}, left: 7},
		{why: "a byte above it", mails: []mail{{3, 1, 1}, {2, 7, 1000}}, full: 1, left: 7, over: true},
		{why: "it was all of today when Dovecot warned", mails: []mail{{1.1, 96, 100}}, full: 26, left: 70, over: true},
		{why: "the limit was lowered to a tenth", mails: []mail{{5, 100, 1000}}, full: 93, left: 7, over: true},
		{why: "all is of today", mails: []mail{{0.9, 96, 100}}, left: 96, over: true, not: true},
		{why: "most is of today", mails: []mail{{2, 10, 100}, {0.9, 80, 100}}, full: 10, left: 80, over: true, not: true},
		{why: "what is old goes first, and that is enough", mails: []mail{{30, 20, 1000}, {3, 5, 1000}}, others: 20, left: 5},
		{why: "what is old goes first, and that is not enough", mails: []mail{{30, 20, 1000}, {3, 10, 1000}}, others: 20, full: 3, left: 7, over: true},
		{why: "large and seen", mails: []mail{{8, 1, 300_000}, {3, 9, 1000}}, others: 1, full: 2, left: 7, over: true},
		{why: "one message is more than all that fits", mails: []mail{{3, 1, 9000}}, full: 1, over: true},
	}
	for _, tt := range tests {
		s := newTestStore(t)
		s.mailbox(addr, ago(1))
		s.file(addr+"/tmp/"+name(ago(3), 1, 1_000_000), ago(3), 5) // does not count
		var paths []string
		for _, m := range tt.mails {
			for i := range m.n {
				at := ago(m.days) + int64(i)
				path := addr + []string{"/cur/", "/.Sent/cur/"}[i%2] + name(at, len(paths), m.size)
				s.file(path, at, 7) // compressed
				paths = append(paths, path)
			}
		}
		atLimit := limits
		atLimit.Size = limit
		dry, _ := s.expireTo(atLimit, true)
		sum, faults := s.expireTo(atLimit, false)
		if faults.Total() != 0 || sum != dry {
			t.Errorf("%s: faults %+v; the dry run said %+v, and then it was %+v", tt.why, faults.Kinds(), dry, sum)
		}
		if got, want := sum.Deleted[Full], (Tally{tt.full, 7 * tt.full}); got != want {
			t.Errorf("%s: of a full mailbox went %+v, want %+v", tt.why, got, want)
		}
		if got := sum.Deleted[Old].Count + sum.Deleted[Large].Count; got != tt.others {
			t.Errorf("%s: %d old or large messages went, want %d", tt.why, got, tt.others)
		}
		if (sum.Over == 1) != tt.over || (sum.StillOver == 1) != tt.not {
			t.Errorf("%s: over %d, still over %d; want %v, %v", tt.why, sum.Over, sum.StillOver, tt.over, tt.not)
		}
		for i, path := range paths {
			if s.exists(path) != (i >= len(paths)-tt.left) {
				t.Errorf("%s: message %d of %d exists: %v", tt.why, i, len(paths), s.exists(path))
			}
		}
		if s.exists(addr+"/maildirsize") != (tt.full+tt.others == 0) {
			t.Errorf("%s: maildirsize exists: %v", tt.why, s.exists(addr+"/maildirsize"))
		}
		if again, _ := s.expireTo(atLimit, false); again.Freed() != 0 {
			t.Errorf("%s: a second run deleted %+v", tt.why, again.Deleted)
		}
	}
}

// TestExpireShrinksInBatches: a dry run comes to its end too, and says the same.
func TestExpireShrinksInBatches(t *testing.T) {
	s := newTestStore(t)
	s.mailbox(addr, ago(1))
	const n, keep = shrinkBatch + 500, 100
	for i := range n {
		s.file(addr+"/cur/"+name(ago(10), i, 10), ago(10), 0)
	}
	small := limits
	small.Size = keep * 10
	for _, dry := range []bool{true, false} {
		if sum, _ := s.expireTo(small, dry); sum.Deleted[Full].Count != n-keep || sum.StillOver != 0 {
			t.Errorf("dry %v: %+v, want %d deleted", dry, sum, n-keep)
		}
	}
}

// TestExpireLeavesABusyMailbox that quota-expire works on.
func TestExpireLeavesABusyMailbox(t *testing.T) {
	s := newTestStore(t)
	s.mailbox(addr, ago(1))
	s.file(addr+"/cur/"+name(ago(3), 1, 5), ago(3), 5)
	box, err := s.open().top.Open(addr)
	s.must(err)
	defer box.Close()
	s.must(box.Lock())
	none := limits
	none.Size = 0
	if sum, faults := s.expireTo(none, false); sum.Freed() != 0 || sum.Over != 1 || faults.Total() != 0 {
		t.Errorf("got %+v, %+v", sum, faults.Kinds())
	}
}

func TestShrinkIsExclusive(t *testing.T) {
	s := newTestStore(t)
	s.mailbox(addr, ago(1))
	s.mailbox("b@x.test", ago(1))
	box, err := s.open().top.Open(addr)
	s.must(err)
	defer box.Close()
	s.must(box.Lock())
	if _, err := s.open().Shrink(t.Context(), addr, 0, now, &maildir.Faults{}); !errors.Is(err, ErrBusy) {
		t.Errorf("got %v, want ErrBusy", err)
	}
	if _, err := s.open().Shrink(t.Context(), "b@x.test", 0, now, &maildir.Faults{}); err != nil {
		t.Errorf("another mailbox: %v", err)
	}
}

func TestShrinkNoMailbox(t *testing.T) {
	s := newTestStore(t)
	s.mailbox("../outside/"+addr, ago(1))
	s.must(os.Symlink(s.outside, s.path("link@x.test")))
	for _, addr := range []string{"../outside/" + addr, "none@x.test", "link@x.test", "", ".", "..", ".removing", "a@x.test/cur", "a\x00@x.test"} {
		if _, err := s.open().Shrink(t.Context(), addr, 0, now, &maildir.Faults{}); err == nil {
			t.Errorf("%q: no error", addr)
		}
	}
}

func TestSurvey(t *testing.T) {
	s := newTestStore(t)
	s.mailbox("a@x.test", ago(0.6))
	s.mailbox("b@x.test", ago(40))
	s.mailbox("c@x.test", ago(400))
	s.mailbox("d@x.test", ago(-40))
	s.file("e@x.test/cur/"+name(ago(10), 1, 300_000), ago(1), 1)
	s.file("a@x.test/cur/"+name(ago(0.5), 1, 50_000)+":2,S", ago(30), 1)
	s.file("a@x.test/.Sent/cur/one", ago(30), 9_999)
	s.file("b@x.test/new/"+name(ago(2), 1, 20_000_000), ago(2), 1)
	s.file("b@x.test/new/two", -1, 1)
	var faults maildir.Faults
	got, err := s.open().Survey(t.Context(), now, &maildir.Progress{}, &faults)
	s.must(err)
	want := newSurvey()
	want.Accounts, want.NoAccount, want.Undated = 4, 1, 2
	copy(want.Logins, []int64{1, 0, 0, 1, 1})
	want.Messages = Tally{5, 300_000 + 50_000 + 9_999 + 20_000_000 + 1}
	want.Unseen = Tally{2, 20_000_001}
	copy(want.ByAge, []Tally{{1, 50_000}, {1, 20_000_000}, {1, 300_000}, {1, 9_999}})
	copy(want.BySize, []Tally{{2, 10_000}, {1, 50_000}, {}, {1, 300_000}, {}, {1, 20_000_000}})
	want.Other = Tally{4 * 5, 4 * 60}
	if g, w := sprint(got), sprint(want); g != w || faults.Total() != 0 {
		t.Errorf("got  %s\nwant %s\n%+v", g, w, faults.Kinds())
	}
}

func sprint(v any) string { return fmt.Sprintf("%+v", v) }
