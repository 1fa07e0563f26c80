package core

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// maxEvents bounds the history of one profile; the oldest go first.
const maxEvents = 50_000

// An Event is what the core tells about a profile. Fields that the kind does
// not have are zero.
type Event struct {
	At        time.Time `json:"-"` // when it reached us
	Kind      string    `json:"kind"`
	ChatID    uint32    `json:"chatId"`
	MsgID     uint32    `json:"msgId"`
	ContactID uint32    `json:"contactId"`
	CallID    uint32    `json:"msg_id"`           // the message that is a call
	PlaceCall string    `json:"place_call_info"`  // what the caller's program says
	TakeCall  string    `json:"accept_call_info"` // what the called one's answers
	Progress  int       `json:"progress"`         // of 1000; 0 is failure
	Comment   string    `json:"comment"`
	Msg       string    `json:"msg"`
	Data      []byte    `json:"data"` // of an app
}

// The kinds of events that tests wait for (EventType of the core's JSON-RPC).
const (
	IncomingMsg       = "IncomingMsg"
	MsgDelivered      = "MsgDelivered"
	MsgRead           = "MsgRead"
	MsgFailed         = "MsgFailed"
	MsgsChanged       = "MsgsChanged"
	ImapInboxIdle     = "ImapInboxIdle"
	SmtpConnected     = "SmtpConnected"
	JoinerProgress    = "SecurejoinJoinerProgress"
	InviterProgress   = "SecurejoinInviterProgress"
	ConfigureProgress = "ConfigureProgress"
)

// Complete is the progress of what is done.
const Complete = 1000

// A History is the events of one profile, in the order in which they came.
type History struct {
	mu      sync.Mutex
	first   int // position of events[0]
	events  []Event
	changed chan struct{} // closed at the next event
}

func newHistory() *History { return &History{changed: make(chan struct{})} }

func (l *History) add(e Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.events) == maxEvents {
		l.events = append(l.events[:0], l.events[maxEvents/2:]...)
		l.first += maxEvents / 2
	}
	l.events = append(l.events, e)
	close(l.changed)
	l.changed = make(chan struct{})
}

// end is the position of the next event.
func (l *History) end() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.first + len(l.events)
}

// Next returns the first event at or after a position that matches, and the
// position after it; it waits for one until ctx ends.
func (l *History) Next(ctx context.Context, from int, match func(Event) bool) (Event, int, error) {
	for {
		l.mu.Lock()
		for i := max(0, from-l.first); i < len(l.events); i++ {
			if match(l.events[i]) {
				e, after := l.events[i], l.first+i+1
				l.mu.Unlock()
				return e, after, nil
			}
		}
		from = l.first + len(l.events)
		changed := l.changed
		l.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return Event{}, from, ctx.Err()
		}
	}
}

// Warned renders the warnings and errors at or after a position: what a core says of its
// connections, for error texts.
func (l *History) Warned(from int) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var text string
	for _, e := range l.events[min(max(0, from-l.first), len(l.events)):] {
		if e.Kind == "Warning" || e.Kind == "Error" {
			text += fmt.Sprintf("  %s %s\n", e.At.Format("15:04:05.000"), e.Msg)
		}
	}
	return text
}

// Last renders the newest n events, for error texts.
func (l *History) Last(n int) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var text string
	for _, e := range l.events[max(0, len(l.events)-n):] {
		text += fmt.Sprintf("  %s %s chat=%d msg=%d contact=%d progress=%d %s%s\n",
			e.At.Format("15:04:05.000"), e.Kind, e.ChatID, e.MsgID, e.ContactID, e.Progress, e.Comment, e.Msg)
	}
	return text
}
