package lab

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"chatmaild/testdata/kit/smtp"
	"chatmaild/testdata/lab/network"
)

// senders are users' clients that send one message after the other.
type senders struct {
	stop context.CancelFunc
	over sync.WaitGroup

	mu       sync.Mutex
	accepted []string // Message-IDs
	failed   []string // what they were told else
	last     time.Time
	pause    time.Duration // the longest without an accepted message
}

var idField = regexp.MustCompile(`(?im)^message-id: (<[^>]*>)`)

// users has one client for each of the two public entrances begin.
func (s *submissionProof) users(t *testing.T) *senders {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	u := &senders{stop: cancel, last: time.Now()}
	for _, port := range []string{"587", network.SubmissionsPort} {
		text := sealed(t, s.sender.addr)
		u.over.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				n = s.session(ctx, u, port, text, n)
				select {
				case <-ctx.Done():
				case <-time.After(poll):
				}
			}
		})
	}
	t.Cleanup(func() { u.stop(); u.over.Wait() })
	return u
}

// session sends until something fails, and returns the number of the last message.
func (s *submissionProof) session(ctx context.Context, u *senders, port, text string, n int) int {
	patience, cancel := context.WithTimeout(context.WithoutCancel(ctx), partTimeout)
	defer cancel()
	c, err := s.open(patience, port)
	if err != nil {
		u.note(ctx, "", fmt.Sprintf("%s: %v", port, err))
		return n
	}
	defer c.Close()
	for ; ctx.Err() == nil; n++ {
		id := fmt.Sprintf("<%d.%d@%s>", n, time.Now().UnixNano(), port)
		reply, err := c.Send(s.sender.addr, s.reader.addr, idField.ReplaceAllLiteralString(text, "Message-ID: "+id))
		if err != nil || reply[:3] != "250" {
			u.note(ctx, "", fmt.Sprintf("%s: %s %v", port, reply, err))
			return n
		}
		u.note(ctx, id, "")
		select {
		case <-ctx.Done():
		case <-time.After(poll):
		}
	}
	return n
}

// open is a session of the sender on a port.
func (s *submissionProof) open(ctx context.Context, port string) (*smtp.Client, error) {
	c, err := s.outside.SMTP(ctx, s.relay.Domain, port)
	if err != nil {
		return nil, err
	}
	hello := func() error { return wanted(c, "250", "EHLO station.test") }
	steps := []func() error{hello}
	if port != network.SubmissionsPort {
		steps = append(steps, func() error { return c.StartTLS(ctx, network.Insecure(s.relay.Domain)) }, hello)
	}
	steps = append(steps, func() error {
		reply, err := c.Login(s.sender.addr, s.sender.password)
		return unless("235", reply, err)
	})
	for _, step := range steps {
		if err := step(); err != nil {
			c.Close()
			return nil, err
		}
	}
	return c, nil
}

// wanted says a line, to which the reply begins with a code.
func wanted(c *smtp.Client, code, line string) error {
	reply, err := c.Command("%s", line)
	return unless(code, reply, err)
}

// unless is the error of a reply, unless that begins with a code.
func unless(code, reply string, err error) error {
	if err == nil && !strings.HasPrefix(reply, code) {
		err = errors.New(reply)
	}
	return err
}

func (u *senders) note(ctx context.Context, id, failure string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if ctx.Err() != nil && id == "" {
		return // it was told to stop
	}
	if failure != "" {
		u.failed = append(u.failed, failure)
		return
	}
	u.accepted = append(u.accepted, id)
	u.pause, u.last = max(u.pause, time.Since(u.last)), time.Now()
}

// count is how many messages have been accepted.
func (u *senders) count() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.accepted)
}

// goOn waits until all entrances have taken some more.
func (s *submissionProof) goOn(t *testing.T, u *senders) {
	t.Helper()
	from := u.count()
	until(deadline(t, stepTimeout), t, "each entrance to take more", func() bool {
		u.mu.Lock()
		defer u.mu.Unlock()
		for _, port := range []string{"@587>", "@465>"} {
			if !slices.ContainsFunc(u.accepted[from:], func(id string) bool { return strings.HasSuffix(id, port) }) {
				return false
			}
		}
		return true
	})
}

// arrived ends the senders, and holds that what was accepted is in the mailbox.
func (s *submissionProof) arrived(t *testing.T, u *senders) {
	t.Helper()
	u.stop()
	u.over.Wait()
	s.delivered(t)
	there := map[string]bool{}
	inbox := s.imap(t, s.reader)
	defer inbox.Close()
	if _, err := inbox.Select(); err != nil {
		t.Fatal(err)
	}
	fields, err := inbox.Fetch("1:*", "BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)]")
	if err != nil {
		t.Fatal(err)
	}
	for _, field := range fields {
		if m := idField.FindStringSubmatch(field); m != nil {
			there[m[1]] = true
		}
	}
	lost := slices.DeleteFunc(slices.Clone(u.accepted), func(id string) bool { return there[id] })
	if len(lost) > 0 {
		t.Errorf("%d of %d messages were lost: %q", len(lost), len(u.accepted), lost)
	}
	t.Logf("%d messages were accepted, none for %v at most; %d attempts failed: %q", len(u.accepted), u.pause.Round(time.Millisecond), len(u.failed), brief(u.failed))
}

// brief leaves out what was said before.
func brief(list []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(list)))
}
