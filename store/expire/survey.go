package expire

import (
	"context"
	"time"

	"chatmaild/store/maildir"
)

// Bounds of the classes of a Survey, each class being what is below its bound and
// not below the one before; the last class has none.
var (
	LoginDays    = []int{1, 7, 30, 90}
	MessageDays  = []int{1, 7, 20}
	MessageSizes = []int64{10_000, 100_000, LargeSize, 1_000_000, 10_000_000}
)

// Survey is what a store holds. The bytes of a message are those of the plain
// message, as quota counts them.
type Survey struct {
	Accounts  int64 // directories with a password
	NoAccount int64 // directories without one
	Logins    []int64
	Undated   int64 // accounts and messages whose time cannot be true

	Messages Tally
	Unseen   Tally   // the part of Messages that no client has seen yet
	ByAge    []Tally // as MessageDays
	BySize   []Tally // as MessageSizes
	Other    Tally   // indexes, passwords, and whatever else lies in a mailbox
}

func newSurvey() Survey {
	return Survey{
		Logins: make([]int64, len(LoginDays)+1),
		ByAge:  make([]Tally, len(MessageDays)+1),
		BySize: make([]Tally, len(MessageSizes)+1),
	}
}

func (s *Survey) add(t Survey) {
	s.Accounts += t.Accounts
	s.NoAccount += t.NoAccount
	s.Undated += t.Undated
	for i := range t.Logins {
		s.Logins[i] += t.Logins[i]
	}
	s.Messages.add(t.Messages)
	s.Unseen.add(t.Unseen)
	for i := range t.ByAge {
		s.ByAge[i].add(t.ByAge[i])
	}
	for i := range t.BySize {
		s.BySize[i].add(t.BySize[i])
	}
	s.Other.add(t.Other)
}

// Survey walks the store. Faults are collected, and the rest is counted; the error
// is ctx's.
func (s *Store) Survey(ctx context.Context, now time.Time, p *maildir.Progress, faults *maildir.Faults) (Survey, error) {
	surveyors := make([]*surveyor, maildir.Workers())
	visitors := make([]maildir.Visitor, len(surveyors))
	for i := range surveyors {
		surveyors[i] = &surveyor{plan: NewPlan(now, Limits{}), faults: faults, sum: newSurvey()}
		visitors[i] = surveyors[i]
	}
	maildir.Walk(ctx, s.top, visitors, p, faults)
	sum := newSurvey()
	for _, v := range surveyors {
		sum.add(v.sum)
	}
	return sum, ctx.Err()
}

// surveyor is the visitor that counts.
type surveyor struct {
	plan   Plan
	faults *maildir.Faults
	sum    Survey
}

func (v *surveyor) Mailbox(m *maildir.Mailbox) bool {
	switch {
	case !m.HasPassword:
		v.sum.NoAccount++
	case !v.plan.plausible(m.Login):
		v.sum.Accounts++
		v.sum.Undated++
	default:
		v.sum.Accounts++
		v.sum.Logins[v.age(m.Login, LoginDays)]++
	}
	return true
}

// age returns the class of a time among those that days bound.
func (v *surveyor) age(t int64, days []int) int {
	for i, d := range days {
		if t > v.plan.before(time.Duration(d)*day) {
			return i
		}
	}
	return len(days)
}

func (v *surveyor) Messages(m *maildir.Mailbox, d maildir.Dir, in maildir.Subdir, files []maildir.Entry) {
	for _, e := range files {
		msg := message{name: maildir.ParseName(e.Name), in: in}
		// Every other message tells both in its name, and needs no stat.
		if msg.name.Size < 0 || !v.plan.plausible(msg.name.Time) {
			st, err := d.Stat(string(e.Name))
			if err != nil {
				v.fault(err, m, e)
				continue
			}
			msg.mtime, msg.size = st.Mtim.Sec, st.Size
		}
		v.message(msg)
	}
}

func (v *surveyor) message(m message) {
	one := Tally{1, m.length()}
	v.sum.Messages.add(one)
	if m.in != maildir.Cur {
		v.sum.Unseen.add(one)
	}
	size := 0
	for size < len(MessageSizes) && one.Size >= MessageSizes[size] {
		size++
	}
	v.sum.BySize[size].add(one)
	if t, err := v.plan.arrival(m.name.Time, m.mtime); err == nil {
		v.sum.ByAge[v.age(t, MessageDays)].add(one)
	} else {
		v.sum.Undated++
	}
}

func (v *surveyor) Other(m *maildir.Mailbox, d maildir.Dir, e maildir.Entry) {
	st, err := d.Stat(string(e.Name))
	if err != nil {
		v.fault(err, m, e)
		return
	}
	if maildir.IsRegular(st) {
		v.sum.Other.add(Tally{1, st.Size})
	}
}

func (v *surveyor) fault(err error, m *maildir.Mailbox, e maildir.Entry) {
	if !maildir.Gone(err) {
		v.faults.Add("looking at a file", err, m.Name, string(e.Name))
	}
}

func (v *surveyor) Leave(*maildir.Mailbox) {}
