package pythonrelay

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"chatmaild/push"
)

// MaxPendingSize bounds the file of a waiting notification, in bytes.
const MaxPendingSize = push.MaxTokenLength + 1024

// pendingAge is how long the Python relay's notifier tries, in notifier.py. What is
// older wakes nobody there either.
const pendingAge = 5 * time.Hour

// Notification is one in the old relay's queue: a file of three lines.
type Notification struct {
	Account string
	Since   time.Time
	Token   string
}

// DecodeNotification reads the file of a waiting notification.
func DecodeNotification(text []byte) (Notification, error) {
	lines := strings.SplitN(string(text), "\n", 3)
	if len(text) > MaxPendingSize || len(lines) != 3 {
		return Notification{}, errors.New("a pending notification has three lines")
	}
	since, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || since < 0 || since > 1<<40 {
		return Notification{}, errors.New("a pending notification has a time in its second line")
	}
	n := Notification{lines[0], time.Unix(since, 0), lines[2]}
	if !strings.Contains(n.Account, "@") || !filepath.IsLocal(n.Account) || strings.ContainsAny(n.Account, "/\t\r\x00") {
		return Notification{}, errors.New("a pending notification has an address in its first line")
	}
	return n, push.CheckToken(n.Token)
}

// Encode writes the notification as the old relay does.
func (n Notification) Encode() []byte {
	return fmt.Appendf(nil, "%s\n%d\n%s", n.Account, n.Since.Unix(), n.Token)
}

// Waits reports whether the old relay would still send it.
func (n Notification) Waits(now time.Time) bool { return now.Sub(n.Since) < pendingAge }

// EncodeTokens writes tokens as the metadata.json of an account, for the old relay.
func EncodeTokens(tokens []push.Token) ([]byte, error) {
	seen := make(map[string]int64, len(tokens))
	for _, t := range tokens {
		seen[t.Text] = t.Seen.Unix()
	}
	return json.Marshal(map[string]any{"devicetoken": seen})
}
