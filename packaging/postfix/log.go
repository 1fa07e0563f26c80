package postfix

import (
	"strconv"
	"strings"
	"time"
)

// Kind is what a line of the log tells.
type Kind int

// The kinds of lines that are counted; all others are Nothing.
const (
	Nothing  Kind = iota
	Delivery      // of one recipient, or the attempt
	NoQueue       // refused before there was a message
	Timeout       // a client fell silent
	Limited       // a client did more than it may
	Problem       // something that Postfix warns of
)

// Event is what a line of the log tells.
type Event struct {
	Kind   Kind
	Remote bool          // Delivery: to another relay
	Status string        // Delivery: one of Statuses
	Delay  time.Duration // Delivery: since the message's arrival
	Full   bool          // Delivery: the mailbox is full
	After  string        // Timeout: one of Stages
	Limit  string        // Limited: one of Limits
	Level  string        // Problem: one of Levels
}

// Statuses are those of deliveries (bounce(5)).
func Statuses() []string { return []string{"sent", "deferred", "bounced", "expired"} }

// Stages are those of SMTP after which a client fell silent.
func Stages() []string { return []string{"data", "end_of_message", "other"} }

// limits are how the log names what a client had too much of (anvil(8)).
var limits = []struct{ name, line string }{
	{"connections", "warning: Connection concurrency limit exceeded: "},
	{"connection_rate", "warning: Connection rate limit exceeded: "},
	{"message_rate", "warning: Message delivery request rate limit exceeded: "},
}

// Limits are the bounds of a client, by their names.
func Limits() (names []string) {
	for _, l := range limits {
		names = append(names, l.name)
	}
	return names
}

// Levels are those of Postfix's problems (postlog(1)).
func Levels() []string { return []string{"warning", "error", "fatal", "panic"} }

// ParseLog reads one line of the mail log. The identifier is the program's name in
// syslog, such as "postfix/submission/smtpd".
func ParseLog(identifier, line string) Event {
	first, rest, _ := strings.Cut(identifier, "/")
	if first != "postfix" {
		return Event{}
	}
	// outward is the lmtp(8) that passes mail on to the transport, by its name in the log.
	const outward = "outward/"
	program := rest[strings.LastIndexByte(rest, '/')+1:]
	for _, limit := range limits {
		if strings.HasPrefix(line, limit.line) {
			return Event{Kind: Limited, Limit: limit.name}
		}
	}
	for _, level := range Levels() {
		if strings.HasPrefix(line, level+": ") {
			return Event{Kind: Problem, Level: level}
		}
	}
	switch {
	case strings.HasPrefix(line, "NOQUEUE: "):
		return Event{Kind: NoQueue}
	case strings.HasPrefix(line, "timeout after "):
		return Event{Kind: Timeout, After: stage(strings.TrimPrefix(line, "timeout after "))}
	case program == "lmtp" || program == "smtp" || program == "error":
		return delivery(program != "lmtp" || strings.HasPrefix(rest, outward), line)
	}
	return Event{}
}

func stage(text string) string {
	switch word, _, _ := strings.Cut(text, " "); word {
	case "DATA":
		return "data"
	case "END-OF-MESSAGE":
		return "end_of_message"
	}
	return "other"
}

// delivery reads "ID: to=<…>, relay=…, delay=0.05, delays=…, dsn=…, status=sent (…)".
// Who chooses an odd address can at most have its own delivery miscounted.
func delivery(remote bool, line string) Event {
	_, line, ok := strings.Cut(line, ": to=<")
	if !ok {
		return Event{}
	}
	_, line, ok = strings.Cut(line, ", relay=")
	if !ok {
		return Event{}
	}
	head, said, ok := strings.Cut(line, ", status=")
	if !ok {
		return Event{}
	}
	status, said, _ := strings.Cut(said, " ")
	e := Event{Kind: Delivery, Remote: remote, Full: strings.Contains(said, "Quota exceeded (mailbox for user is full)")}
	for _, known := range Statuses() {
		if status == known {
			e.Status = status
		}
	}
	_, delay, ok := strings.Cut(head, ", delay=")
	delay, _, _ = strings.Cut(delay, ",")
	seconds, err := strconv.ParseFloat(delay, 64)
	if e.Status == "" || !ok || err != nil || !(seconds >= 0) || seconds > 1e8 {
		return Event{}
	}
	e.Delay = time.Duration(seconds * float64(time.Second))
	return e
}
