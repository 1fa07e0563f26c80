package expire

import (
	"cmp"
	"container/heap"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"chatmaild/store/maildir"

	"golang.org/x/sys/unix"
)

// Protected is how long even a full mailbox keeps a message.
const Protected = day

// shrinkBatch bounds how many messages are remembered at once, whatever the size
// of the mailbox: it is walked again after each batch.
const shrinkBatch = 8192

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
	if err := box.Lock(); err == unix.EWOULDBLOCK {
		return Tally{}, ErrBusy
	} else if err != nil {
		return Tally{}, fmt.Errorf("locking the mailbox: %w", err)
	}

	plan := NewPlan(now, Limits{Mails: Protected, Large: Protected})
	remover := &Deleter{top: s.top}
	var deleted Tally
	for ctx.Err() == nil {
		f := &filler{plan: plan, faults: faults, limit: shrinkBatch}
		maildir.WalkOne(ctx, s.top, addr, f, faults)
		batch := f.deleteTo(box, target, remover)
		deleted.add(batch)
		if f.total <= target || len(f.oldest) < f.limit || batch.Count == 0 {
			break
		}
	}
	if deleted.Count > 0 {
		if err := remover.quota(box); err != nil {
			faults.Add("removing the old quota sum", err, addr, maildir.QuotaFile)
		}
	}
	return deleted, ctx.Err()
}

// filler is the visitor that finds out what fills a mailbox.
type filler struct {
	plan   Plan
	faults *maildir.Faults
	limit  int
	total  int64   // bytes of all messages, as quota counts them
	oldest ageHeap // at most limit of those that may go
}

// dated is a message with its arrival.
type dated struct {
	arrival int64
	octets  int64
	onDisk  int64
	folder  string // in the mailbox: "cur", ".Sent/new"
	name    string
}

func (f *filler) Mailbox(*maildir.Mailbox) bool { return true }

func (f *filler) Messages(m *maildir.Mailbox, d maildir.Dir, in maildir.Folder, files []maildir.Entry) {
	if in == maildir.Tmp { // not delivered yet: quota does not count it
		return
	}
	for _, e := range files {
		f.message(m, d, in, e)
	}
}

func (f *filler) message(m *maildir.Mailbox, d maildir.Dir, in maildir.Folder, e maildir.Entry) {
	name := string(e.Name)
	st, err := d.Stat(name)
	if err != nil || !maildir.IsRegular(st) {
		if err != nil && !maildir.Gone(err) {
			f.faults.Add("looking at a message", err, m.Name, name)
		}
		return
	}
	msg := message{maildir.ParseName(e.Name), in, st.Mtim.Sec, st.Size}
	f.total += msg.octets()
	reason, err := f.plan.message(msg)
	if err != nil {
		f.faults.Add("dating a message", err, m.Name, name)
	}
	if reason == Keep {
		return
	}
	arrival, _ := f.plan.arrival(msg.name.Time, msg.mtime)
	if len(f.oldest) == f.limit {
		if arrival >= f.oldest[0].arrival {
			return
		}
		heap.Pop(&f.oldest)
	}
	heap.Push(&f.oldest, dated{arrival, msg.octets(), msg.size, m.Sub + string(in), name})
}

func (f *filler) Other(*maildir.Mailbox, maildir.Dir, maildir.Entry) {}
func (f *filler) Leave(*maildir.Mailbox)                             {}

// deleteTo deletes the oldest messages until target is reached.
func (f *filler) deleteTo(box maildir.Dir, target int64, remover Remover) (deleted Tally) {
	slices.SortFunc(f.oldest, func(a, b dated) int { return cmp.Compare(a.arrival, b.arrival) })
	for _, m := range f.oldest {
		if f.total <= target {
			break
		}
		err := inFolder(box, m.folder, func(d maildir.Dir) error { return remover.message(d, m.name) })
		if err != nil && !maildir.Gone(err) {
			f.faults.Add("deleting a message", err, "", m.name)
			continue
		}
		f.total -= m.octets
		if err == nil {
			deleted.add(Tally{1, m.onDisk})
		}
	}
	return deleted
}

// inFolder opens the directory at a path of one or two names.
func inFolder(d maildir.Dir, path string, do func(maildir.Dir) error) error {
	name, rest, more := strings.Cut(path, "/")
	sub, err := d.Open(name)
	if err != nil {
		return err
	}
	defer sub.Close()
	if more {
		return inFolder(sub, rest, do)
	}
	return do(sub)
}

// ageHeap has the latest arrival first, which is the one to drop.
type ageHeap []dated

func (h ageHeap) Len() int           { return len(h) }
func (h ageHeap) Less(i, j int) bool { return h[i].arrival > h[j].arrival }
func (h ageHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *ageHeap) Push(x any)        { *h = append(*h, x.(dated)) }
func (h *ageHeap) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}
