package expire

import (
	"cmp"
	"container/heap"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"chatmaild/store/maildir"

	"golang.org/x/sys/unix"
)

// shrinkBatch bounds how many messages are remembered at once, whatever the size
// of the mailbox: it is walked again after each batch.
const shrinkBatch = 8192

// never is a limit that nothing reaches.
const never = time.Duration(math.MaxInt64)

// Shrink deletes the oldest messages of the mailbox of addr until they have at
// most target bytes, as Dovecot's quota counts them, and leaves those alone that
// arrived within Protected before now. It returns ErrBusy if another process
// shrinks the mailbox at this moment.
func (s *Store) Shrink(ctx context.Context, addr string, target int64, now time.Time, faults *maildir.Faults) (Tally, error) {
	if strings.ContainsAny(addr, "/\x00") || strings.HasPrefix(addr, ".") || !strings.Contains(addr, "@") {
		return Tally{}, fmt.Errorf("opening the mailbox: %w", unix.EINVAL)
	}
	box, err := s.top.Open(addr)
	if err != nil {
		return Tally{}, fmt.Errorf("opening the mailbox: %w", err)
	}
	defer box.Close()
	remover := &Deleter{top: s.top}
	if err := remover.lock(box); err == unix.EWOULDBLOCK {
		return Tally{}, ErrBusy
	} else if err != nil {
		return Tally{}, fmt.Errorf("locking the mailbox: %w", err)
	}

	f := &filler{plan: NewPlan(now, Limits{Mails: never, Large: never, Size: target}), faults: faults, limit: shrinkBatch}
	deleted := f.shrink(ctx, s.top, box, addr, remover)
	if deleted.Count > 0 {
		if err := remover.quota(box); err != nil {
			faults.Add("removing the old quota sum", err, addr, maildir.QuotaFile)
		}
	}
	return deleted, ctx.Err()
}

// filler is the visitor that finds out what fills a mailbox. What plan deletes without
// regard to the size of the mailbox does not count: it is gone, unless the run is dry.
type filler struct {
	plan   Plan
	faults *maildir.Faults
	limit  int
	total  int64   // bytes of all messages, as quota counts them
	oldest ageHeap // at most limit of those that may go
	last   dated   // the youngest of those that went; they are not looked at again
}

// shrink deletes the oldest messages of a mailbox, called name in top, until total is
// what the plan allows, or only messages are left that may not go.
func (f *filler) shrink(ctx context.Context, top, box maildir.Dir, name string, remover Remover) Tally {
	var deleted Tally
	for ctx.Err() == nil {
		f.total, f.oldest = 0, f.oldest[:0]
		maildir.WalkOne(ctx, top, name, f, f.faults)
		complete := len(f.oldest) < f.limit
		deleted.add(f.deleteOldest(box, remover))
		if f.total <= f.plan.limits.Size || complete {
			break
		}
	}
	return deleted
}

func (f *filler) Mailbox(*maildir.Mailbox) bool { return true }

func (f *filler) Messages(m *maildir.Mailbox, d maildir.Dir, in maildir.Subdir, files []maildir.Entry) {
	if in == maildir.Tmp { // not delivered yet: quota does not count it
		return
	}
	for _, e := range files {
		f.message(m, d, in, e)
	}
}

func (f *filler) message(m *maildir.Mailbox, d maildir.Dir, in maildir.Subdir, e maildir.Entry) {
	name := string(e.Name)
	st, err := d.Stat(name)
	if err != nil || !maildir.IsRegular(st) {
		if err != nil && !maildir.Gone(err) {
			f.faults.Add("looking at a message", err, m.Name, name)
		}
		return
	}
	msg := message{maildir.ParseName(e.Name), in, st.Mtim.Sec, st.Size}
	reason, err := f.plan.message(msg)
	if err != nil {
		f.faults.Add("dating a message", err, m.Name, name)
	}
	if reason != Keep {
		return
	}
	arrival, err := f.plan.arrival(msg.name.Time, msg.mtime)
	one := dated{arrival, msg.length(), msg.size, m.Sub + string(in), name}
	switch {
	case err != nil || f.plan.young(arrival):
		f.total += one.length
	case one.compare(f.last) > 0:
		f.total += one.length
		f.remember(one)
	}
}

func (f *filler) remember(one dated) {
	if len(f.oldest) == f.limit {
		if one.compare(f.oldest[0]) >= 0 {
			return
		}
		heap.Pop(&f.oldest)
	}
	heap.Push(&f.oldest, one)
}

func (f *filler) Other(*maildir.Mailbox, maildir.Dir, maildir.Entry) {}
func (f *filler) Leave(*maildir.Mailbox)                             {}

// deleteOldest deletes the oldest of what is remembered until total is what the plan
// allows.
func (f *filler) deleteOldest(box maildir.Dir, remover Remover) (deleted Tally) {
	slices.SortFunc(f.oldest, dated.compare)
	for _, m := range f.oldest {
		if f.total <= f.plan.limits.Size {
			break
		}
		f.last = m
		err := inDir(box, m.dir, func(d maildir.Dir) error { return remover.message(d, m.name) })
		if err != nil && !maildir.Gone(err) {
			f.faults.Add("deleting a message", err, "", m.name)
			continue
		}
		f.total -= m.length
		if err == nil {
			deleted.add(Tally{1, m.onDisk})
		}
	}
	return deleted
}

// inDir opens the directory at a path of one or two names.
func inDir(d maildir.Dir, path string, do func(maildir.Dir) error) error {
	name, rest, more := strings.Cut(path, "/")
	sub, err := d.Open(name)
	if err != nil {
		return err
	}
	defer sub.Close()
	if more {
		return inDir(sub, rest, do)
	}
	return do(sub)
}

// dated is a message with its arrival.
type dated struct {
	arrival int64
	length  int64
	onDisk  int64
	dir     string // in the mailbox: "cur", ".Sent/new"
	name    string
}

// compare orders messages by their arrival, and no two of a mailbox are equal.
func (d dated) compare(e dated) int {
	return cmp.Or(cmp.Compare(d.arrival, e.arrival), cmp.Compare(d.dir, e.dir), cmp.Compare(d.name, e.name))
}

// ageHeap has the latest arrival first, which is the one to drop.
type ageHeap []dated

func (h ageHeap) Len() int           { return len(h) }
func (h ageHeap) Less(i, j int) bool { return h[i].compare(h[j]) > 0 }
func (h ageHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *ageHeap) Push(x any)        { *h = append(*h, x.(dated)) }
func (h *ageHeap) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}
