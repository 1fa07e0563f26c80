package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"chatmaild/applets/chat/imap"
)

// stages are the parts of a text's way, in order, and last the whole of it.
var stages = []string{
	"MAIL, RCPT, DATA",
	"message to 250",
	"250 to mailbox",
	"mailbox to EXISTS",
	"EXISTS to end of IDLE",
	"FETCH",
	"all",
}

// A text is how long each stage of one text took.
type text []time.Duration

// trace sends texts one after the other from the first person to the second, who is in
// IDLE, and fetches each; with a pause before each.
func (c *crowd) trace(ctx context.Context, texts int, pause time.Duration) ([]text, error) {
	from := c.people[0]
	inbox, err := from.reader.Session(ctx)
	if err != nil {
		return nil, err
	}
	defer inbox.Close()
	var all []text
	for range warm + texts {
		t, err := c.text(ctx, from, inbox, pause)
		if err != nil {
			return all, err
		}
		all = append(all, t)
	}
	return all[min(warm, len(all)):], empty(inbox)
}

// text sends one text, once its reader has been in IDLE for a while, and follows it.
func (c *crowd) text(ctx context.Context, from *person, inbox *imap.Client, pause time.Duration) (text, error) {
	idling, fetched := make(chan struct{}), make(chan error, 1)
	var exists, awake, read time.Time
	go func() {
		var number int
		err := inbox.Idle(func(line string) bool {
			if strings.HasPrefix(line, "+") {
				close(idling)
				return false
			}
			n, found := strings.CutSuffix(line, " EXISTS")
			if found {
				exists = time.Now()
				number, _ = strconv.Atoi(strings.TrimPrefix(n, "* "))
			}
			return found
		})
		awake = time.Now()
		if err == nil {
			_, err = inbox.Message(number)
		}
		read = time.Now()
		fetched <- err
	}()
	select {
	case <-idling:
	case err := <-fetched:
		return nil, err
	}
	select {
	case <-time.After(pause):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	letter, start := from.letter.Next(), time.Now()
	for _, line := range []string{"MAIL FROM:<" + from.Addr + ">", "RCPT TO:<" + from.reader.Addr + ">", "DATA"} {
		if reply, err := from.Out.Command("%s", line); err != nil || reply[0] > '3' {
			return nil, fmt.Errorf("%s: %s, %w", line[:4], reply, err)
		}
	}
	ready := time.Now()
	if reply, err := from.Out.Body(letter); err != nil || reply[:3] != "250" {
		return nil, errors.Join(errors.New("a message was refused: "+reply), err)
	}
	accepted := time.Now()
	delivered, err := c.mail.After(ctx, from.reader.Addr, start)
	if err != nil {
		return nil, err
	}
	if err := <-fetched; err != nil {
		return nil, err
	}
	return text{
		ready.Sub(start), accepted.Sub(ready), max(0, delivered.Sub(accepted)), exists.Sub(delivered),
		awake.Sub(exists), read.Sub(awake), read.Sub(start),
	}, nil
}
