package phone

import (
	"context"
	"errors"
	"sync"

	"chatmaild/applets/chat/imap"
)

// A Sleeper is a user's session in IDLE, who fetches and deletes what is announced and waits
// again, as the core does.
type Sleeper struct {
	*imap.Client
	Woken chan error // once for each message, when it is announced
	Done  chan error // when it is fetched and deleted, and the session waits again
}

// Sleep opens a session, and returns once it is in IDLE.
func (p *Phone) Sleep(ctx context.Context) (*Sleeper, error) {
	session, err := p.Session(ctx)
	if err != nil {
		return nil, err
	}
	s := &Sleeper{session, make(chan error, 1), make(chan error, 1)}
	go s.sleep()
	return s, <-s.Done
}

// sleep is in IDLE until the connection ends.
func (s *Sleeper) sleep() {
	for first := true; ; first = false {
		err := s.Idle(func(line string) bool {
			if line[0] == '+' {
				s.Done <- nil
				return false
			}
			exists := len(line) > 7 && line[len(line)-7:] == " EXISTS"
			if exists {
				s.Woken <- nil
			}
			return exists
		})
		if err == nil {
			_, err = s.Fetch("1:*", "BODY.PEEK[]")
		}
		if err == nil {
			_, err = s.OK(`STORE 1:* +FLAGS.SILENT (\Deleted)`)
		}
		if err == nil {
			_, err = s.OK("CLOSE")
		}
		if err == nil {
			_, err = s.Select()
		}
		if err != nil {
			if first {
				s.Done <- err
			}
			s.Woken <- err
			return
		}
	}
}

// Each does something for n people, so many at a time.
func Each(n, abreast int, do func(i int) error) error {
	errs, next := make(chan error, n), make(chan int, n)
	for i := range n {
		next <- i
	}
	close(next)
	var group sync.WaitGroup
	for range abreast {
		group.Go(func() {
			for i := range next {
				errs <- do(i)
			}
		})
	}
	group.Wait()
	close(errs)
	var all error
	for err := range errs {
		all = errors.Join(all, err)
	}
	return all
}
