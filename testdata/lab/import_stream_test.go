package lab

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"chatmaild/testdata/kit/smtp"
	"chatmaild/testdata/lab/network"
)

// A stream sends one message after another to an account, whatever happens to the
// relay meanwhile, and knows which were taken.
type stream struct {
	mu            sync.Mutex
	taken, unsure []string // Message-IDs
	last          time.Time
	gap           time.Duration // the longest time in which none was taken
}

// run sends until ctx is done.
func (s *stream) run(ctx context.Context, k *imported, mail func(id string) string) {
	for ctx.Err() == nil {
		conn, err := k.open(ctx)
		for err == nil && ctx.Err() == nil {
			id := rand.Text()
			var reply string
			reply, err = conn.Send(k.sender.addr, k.listener.addr, mail(id))
			switch {
			case err != nil: // it was interrupted: nobody can know
				s.unsure = append(s.unsure, id)
			case strings.HasPrefix(reply, "250"):
				s.take(id)
			default:
				err = fmt.Errorf("refused: %s", reply)
			}
			pause(ctx)
		}
		if conn != nil {
			conn.Close()
		}
		pause(ctx)
	}
}

func (s *stream) take(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken = append(s.taken, id)
	now := time.Now()
	if !s.last.IsZero() {
		s.gap = max(s.gap, now.Sub(s.last))
	}
	s.last = now
}

// since reports whether a message was taken after a point of time.
func (s *stream) since(when time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last.After(when)
}

// pause keeps the stream from being all that the machine has time for.
func pause(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(poll):
	}
}

func (k *imported) open(ctx context.Context) (*smtp.Client, error) {
	ctx, cancel := context.WithTimeout(ctx, partTimeout)
	defer cancel()
	s, err := k.outside.SMTP(ctx, oldDomain, network.SubmissionsPort)
	if err != nil {
		return nil, err
	}
	_, err = s.Command("EHLO station.test")
	if err == nil {
		var reply string
		if reply, err = s.Login(k.sender.addr, k.sender.password); err == nil && !strings.HasPrefix(reply, "235") {
			err = fmt.Errorf("login: %s", reply)
		}
	}
	return s, err
}

// count looks for each message of the stream in its receiver's mailbox.
func (k *imported) count(t *testing.T, s *stream) {
	t.Helper()
	session := k.imap(t, k.listener)
	if _, err := session.Select(); err != nil {
		t.Fatal(err)
	}
	untagged, err := session.OK("FETCH 1:* BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)]")
	if err != nil {
		t.Fatal(err)
	}
	mailbox := strings.Join(untagged, "\n")
	lost, doubled := 0, 0
	for _, id := range s.taken {
		switch strings.Count(mailbox, "<"+id) {
		case 0:
			lost++
		case 1:
		default:
			doubled++
		}
	}
	for _, id := range s.unsure {
		if strings.Count(mailbox, "<"+id) > 1 {
			doubled++
		}
	}
	t.Logf("%d messages were taken, %d broken off; for %v none was", len(s.taken), len(s.unsure), s.gap.Round(time.Millisecond))
	if lost > 0 || doubled > 0 {
		t.Errorf("of %d messages %d were lost and %d came twice", len(s.taken), lost, doubled)
	}
}
