package bot

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"chatmaild/applets/chat"
)

// maxText is how much text is sent back, in bytes.
const maxText = 16 << 10

// control tells whether a message changes a chat, or another message, or is for
// programs: nobody said anything.
func control(m *chat.Message) bool {
	for _, name := range []string{
		"Chat-Edit", "Chat-Delete", "Chat-List-Id", "Chat-Group-Member-Removed",
		"Chat-Group-Name-Changed", "Chat-Group-Description-Changed", "Chat-Webrtc-Room", "Chat-Webrtc-Accepted",
	} {
		if m.Header.Get(name) != "" {
			return true
		}
	}
	content := m.Header.Get("Chat-Content")
	return content != "" && content != "sticker" || m.Header.Get("Content-Disposition") == "reaction"
}

// called is how one speaks to the bot in a group.
const called = `(?is)^@?echo(?:[ _-]?bot)?\b[\s,:.!]*(.*)$`

// reply says what to say to a message, nil for nothing.
func (b *Bot) reply(m *chat.Message, now time.Time) *chat.Message {
	text := strings.TrimSpace(m.Text)
	group := m.GroupID() != ""
	switch added := m.Header.Get("Chat-Group-Member-Added"); {
	case added != "":
		if !strings.EqualFold(added, b.self.Addr) {
			return nil
		}
		return b.groupGreeting()
	case group && m.Header.Get("Chat-Is-Post-Message") != "":
		return nil // a file
	case m.Header.Get("Chat-Is-Post-Message") != "":
		text = b.pendingText(m.ID)
	case group:
		if found := b.called.FindStringSubmatch(text); found != nil {
			text = found[1]
		} else if !command(text) && !b.quoted(m) {
			return nil
		}
	}
	reply := b.say(m, text, now)
	if reply != nil {
		reply.InReplyTo = m.ID
	}
	return reply
}

// quoted tells whether a message answers one of the bot's. Clients name the last
// message of a chat in all that they send; who really answers one quotes it.
func (b *Bot) quoted(m *chat.Message) bool {
	return m.Quote != "" && strings.HasPrefix(m.InReplyTo, b.mark)
}

func (b *Bot) say(m *chat.Message, text string, now time.Time) *chat.Message {
	switch strings.ToLower(text) {
	case "/help", "/start":
		return b.greeting()
	case "/ping":
		return &chat.Message{Text: fmt.Sprintf("pong\n\nYour clock said %s when you sent it; here it is %s: %s.",
			m.Date.UTC().Format(time.TimeOnly), now.UTC().Format(time.TimeOnly), took(now.Sub(m.Date)))}
	}
	reply := &chat.Message{Text: cut(text)}
	if m.GroupID() != "" {
		// A file would go to each member: one message would make fifty of 2 MiB.
		if reply.Text == "" {
			return nil
		}
		return reply
	}
	if id := m.Header.Get("Chat-Post-Message-Id"); id != "" {
		return b.announced(m, strings.Trim(id, "<> "), text)
	}
	for _, f := range m.Files {
		if len(f.Data) > MaxFile {
			return tooLarge()
		}
		reply.Files = append(reply.Files, f)
	}
	if reply.Text == "" && len(reply.Files) == 0 {
		return nil
	}
	if len(reply.Files) > 0 {
		inKind(reply, m)
	}
	return reply
}

// took says how long a message was on its way. Messages tell the second only.
func took(d time.Duration) string {
	switch seconds := int(d.Round(time.Second) / time.Second); {
	case seconds < 0:
		return "your clock is ahead of mine"
	case seconds == 0:
		return "less than a second"
	case seconds == 1:
		return "about a second"
	default:
		return fmt.Sprintf("about %d seconds", seconds)
	}
}

// inKind makes a voice message come back as a voice message, and a sticker as a
// sticker.
func inKind(reply, m *chat.Message) {
	for _, name := range []string{"Chat-Voice-Message", "Chat-Duration", "Chat-Content"} {
		if value := m.Header.Get(name); value != "" {
			reply.Set(name, value)
		}
	}
}

// announced is for a message that says that a large file comes after it
// (Chat-Post-Message-Metadata): its text is answered together with the file.
func (b *Bot) announced(m *chat.Message, id, text string) *chat.Message {
	var file struct {
		Size int64 `json:"size"`
	}
	if err := json.Unmarshal([]byte(m.Header.Get("Chat-Post-Message-Metadata")), &file); err == nil && file.Size > MaxFile {
		return tooLarge()
	}
	if len(b.pending) >= maxPending {
		b.pending = b.pending[1:]
	}
	b.pending = append(b.pending, pendingText{id, cut(text)})
	return nil
}

// pendingText returns the text that announced a file, or "".
func (b *Bot) pendingText(id string) string {
	for i, p := range b.pending {
		if p.id == id {
			b.pending = slices.Delete(b.pending, i, i+1)
			return p.text
		}
	}
	return ""
}

func tooLarge() *chat.Message {
	return &chat.Message{Text: fmt.Sprintf("That is too large for me: I send back up to %d MB.", MaxFile>>20)}
}

func cut(text string) string {
	if len(text) <= maxText {
		return text
	}
	return strings.ToValidUTF8(text[:maxText], "") + " …"
}

func command(text string) bool {
	switch strings.ToLower(text) {
	case "/help", "/ping":
		return true
	}
	return false
}

func (b *Bot) greeting() *chat.Message {
	return &chat.Message{Text: "Hello! I am the echo bot of " + b.Domain + ". Whatever you write to me, or send, I send back," +
		" end-to-end encrypted. I keep none of it.\n\n/ping says how long your message took.\n/help says this again.\n\n" +
		"In groups I answer to commands, and to messages that begin with @echo; files I send back here alone."}
}

func (b *Bot) groupGreeting() *chat.Message {
	return &chat.Message{Text: "Hello, all! I answer /help and /ping, and I repeat what begins with @echo. I ignore everything else. " +
		"Only those of you who have written before can read my answers."}
}
