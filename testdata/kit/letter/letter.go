// Package letter writes the messages of benchmarks: encrypted as a client's are, with real
// keys, so that filters have as much to do.
package letter

import (
	"crypto/rand"
	"encoding/base64"
	"net/textproto"
	"strings"
	"time"

	"chatmaild/applets/chat"
)

// Words are what people write to each other: a message of some 1.5 KB.
const Words = "Shall we meet at the bridge at six? I'll bring the bread, and something to drink."

// A Letter is a message that can be sent often, each time with a Message-ID of its own.
type Letter struct{ text, id string }

// New writes a letter with keys that are made for it.
func New(from, to, words string, now time.Time) (*Letter, error) {
	mine, err := chat.GenerateKey(from, now)
	if err != nil {
		return nil, err
	}
	other, err := chat.GenerateKey(to, now)
	if err != nil {
		return nil, err
	}
	m := &chat.Message{Date: now, Subject: "bench", Text: words, Header: textproto.MIMEHeader{"Chat-Version": {"1.0"}}}
	raw, err := (&chat.Self{Addr: from, Key: mine}).Encrypt(m, []*chat.Cert{other.Cert()})
	if err != nil {
		return nil, err
	}
	return &Letter{string(raw), m.ID}, nil
}

// Next is the letter with a new Message-ID.
func (l *Letter) Next() string {
	_, text := l.Copy()
	return text
}

// Copy is the letter with a new Message-ID, and that.
func (l *Letter) Copy() (id, text string) {
	id = strings.ToLower(rand.Text()) + "@localhost"
	return id, strings.Replace(l.text, l.id, id, 1)
}

// Noise is words that do not get smaller when they are compressed, and make a message of some
// size in bytes.
func Noise(size int) string {
	noise := make([]byte, size/4*3)
	_, _ = rand.Read(noise) // never fails
	return base64.StdEncoding.EncodeToString(noise)
}
