package lab

import (
	"context"
	"fmt"
	"strings"

	"chatmaild/applets/chat/imap"
)

// A plugPhone fetches a user's mail as the Delta Chat core does: from the UID that was next
// when it looked last. After a change of UIDVALIDITY it begins with what comes then, and never
// sees what is there already (core 2.62, src/imap/select_folder.rs).
type plugPhone struct {
	validity, next uint32
	has            map[string]bool // by Message-ID
}

// fetch gets what is new. A session that ends has shown what came until then.
func (p *plugPhone) fetch(s *imap.Client) error {
	selected, err := s.OK("SELECT INBOX")
	if err != nil {
		return err
	}
	validity, next := code(selected, "UIDVALIDITY"), code(selected, "UIDNEXT")
	if p.validity == 0 {
		p.next = 1
	} else if validity != p.validity {
		p.next = next
	}
	p.validity = validity
	fetched, err := s.OK("UID FETCH %d:* (UID BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])", p.next)
	for _, m := range fetched {
		var uid uint32
		if _, rest, ok := strings.Cut(m, "(UID "); ok {
			fmt.Sscan(rest, &uid)
		}
		if uid < p.next {
			continue // "*" is the last message, if it is new or not
		}
		p.has[messageID(m)] = true
		next = max(next, uid+1)
	}
	if err != nil {
		return err
	}
	p.next = next
	return nil
}

// code is a number of SELECT's answer, as in "OK [UIDNEXT 5]"; 0 if it is not there.
func code(untagged []string, name string) (n uint32) {
	for _, line := range untagged {
		if _, rest, ok := strings.Cut(line, "["+name+" "); ok {
			fmt.Sscan(rest, &n)
		}
	}
	return n
}

// poll has all phones fetch again and again.
func (p *plug) poll(ctx context.Context) {
	for ctx.Err() == nil {
		for i, a := range p.people {
			s, err := p.outside.IMAP(ctx, p.relay.Domain)
			if err != nil {
				break
			}
			stop := context.AfterFunc(ctx, func() { s.Close() })
			if s.Login(a.addr, a.password) == nil {
				p.noteLogin(a.addr)
				_ = p.phones[i].fetch(s) // what it has not got yet it gets later
			}
			stop()
			s.Close()
		}
	}
}
