package queue

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// Names are those of Postfix's queues, in the order of a message's way through them
// (qmgr(8)); hold is beside that way.
func Names() []string { return []string{"maildrop", "incoming", "active", "deferred", "hold"} }

// Count is what is in one of them.
type Count struct {
	Messages int
	Oldest   time.Time // arrival; zero if it is empty
}

// Waiting is a recipient to whom a message in a queue has yet to be delivered.
type Waiting struct {
	Queue  string
	ID     string // of the message
	Domain string // of the recipient, as it was written
	Reason string // why the last try failed; "" if there was none, or one is in progress
}

// maxAttribute is the longest name or value of showq's answer, in bytes: a line of
// Postfix's has at most 2048 (line_length_limit).
const maxAttribute = 16 << 10

// errCut says that the answer ends before its end.
var errCut = errors.New("postfix's list of its queues was cut off")

// readShowq reads the answer of showq to the end: names and values, each ended by
// NUL, and an empty name at the end of each message and of the whole (showq.c and
// attr_print0.c of Postfix 3). It holds one recipient at a time, of whom it
// tells waits.
func readShowq(r io.Reader, waits func(Waiting)) (map[string]Count, error) {
	all := map[string]Count{}
	for _, name := range Names() {
		all[name] = Count{}
	}
	in := bufio.NewReaderSize(r, maxAttribute)
	current, ended := "", false
	var w Waiting
	for {
		name, err := attribute(in)
		switch {
		case errors.Is(err, io.EOF) && !ended:
			return nil, errCut
		case errors.Is(err, io.EOF):
			return all, nil
		case err != nil:
			return nil, err
		case name == "":
			if current == "" { // nothing was listed since the last end
				ended = true
			}
			current = ""
			continue
		}
		value, err := attribute(in)
		if errors.Is(err, io.EOF) {
			return nil, errCut
		}
		if err != nil {
			return nil, err
		}
		ended = false
		if current == "" {
			current = "the protocol's name"
		}
		switch name {
		case "queue_name":
			if current = value; value == "" {
				return nil, errors.New("postfix lists a queue without a name")
			}
			w = Waiting{Queue: value}
			q, known := all[value]
			if known {
				q.Messages++
				all[value] = q
			}
		case "time":
			seconds, err := strconv.ParseInt(value, 10, 64)
			if err != nil {
				return nil, fmt.Errorf("postfix lists a message without a time: %w", err)
			}
			q, known := all[current]
			if at := time.Unix(seconds, 0); known && (q.Oldest.IsZero() || at.Before(q.Oldest)) {
				q.Oldest = at
				all[current] = q
			}
		case "queue_id":
			w.ID = value
		case "recipient":
			w.Domain = value[strings.LastIndexByte(value, '@')+1:]
		case "reason":
			w.Reason = value
			waits(w)
		}
	}
}

func attribute(in *bufio.Reader) (string, error) {
	text, err := in.ReadSlice(0)
	switch {
	case err == nil:
		return string(text[:len(text)-1]), nil
	case errors.Is(err, io.EOF) && len(text) > 0:
		return "", errCut
	case errors.Is(err, bufio.ErrBufferFull):
		return "", fmt.Errorf("postfix lists something longer than %d bytes", maxAttribute)
	}
	return "", err
}
