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
