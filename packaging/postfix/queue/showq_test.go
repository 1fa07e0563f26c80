package queue

import (
	"bytes"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// list is showq's answer: attributes with "=" between name and value, and "." for
// an end.
func list(words ...string) string {
	var b strings.Builder
	for _, w := range words {
		if w != "." {
			name, value, _ := strings.Cut(w, "=")
			b.WriteString(name + "\x00" + value)
		}
		b.WriteByte(0)
	}
	return b.String()
}

var twoDeferred = list("protocol=showq", ".",
	"queue_name=active", "queue_id=a", "time=300", "size=2000", "forced_expire=0", "sender=x@x.test",
	"original_recipient=queue_name", "recipient=x@x.test", "log_class=", "reason=", ".",
	"queue_name=deferred", "queue_id=b", "time=200", "size=2000", "forced_expire=0", "sender=", "recipient=\"@\"@y.test", "reason=no", "recipient=", "reason=", ".",
	"queue_name=deferred", "queue_id=c", "time=100", "size=2000", "sender=MAILER-DAEMON", ".",
	"queue_name=corrupt", "queue_id=d", "time=1", ".",
	".")

// ignored is nobody who wants to know who waits.
func ignored(Waiting) {}

func TestReadShowq(t *testing.T) {
	want := map[string]Count{
		"maildrop": {}, "incoming": {}, "hold": {}, "active": {1, time.Unix(300, 0)}, "deferred": {2, time.Unix(100, 0)},
	}
	var waiting []Waiting
	got, err := readShowq(strings.NewReader(twoDeferred), func(w Waiting) { waiting = append(waiting, w) })
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	if want := []Waiting{{"active", "a", "x.test", ""}, {"deferred", "b", "y.test", "no"}, {"deferred", "b", "", ""}}; !slices.Equal(waiting, want) {
		t.Errorf("got the recipients %+v, want %+v", waiting, want)
	}
	empty, err := readShowq(strings.NewReader(list("protocol=showq", ".", ".")), ignored)
	if err != nil || len(empty) != 5 || empty["deferred"].Messages != 0 {
		t.Errorf("empty queues: got %v, %v", empty, err)
	}
	for n := range len(twoDeferred) {
		if got, err := readShowq(strings.NewReader(twoDeferred[:n]), ignored); err == nil {
			t.Errorf("cut after %d bytes: got %v, want an error", n, got)
		}
	}
	for name, text := range map[string]string{
		"too long":      list("protocol=showq", ".", "queue_name="+strings.Repeat("x", maxAttribute)),
		"no time":       list("protocol=showq", ".", "queue_name=active", "time=soon", ".", "."),
		"no queue name": list("protocol=showq", ".", "queue_name=", ".", "."),
	} {
		if got, err := readShowq(strings.NewReader(text), ignored); err == nil {
			t.Errorf("%s: got %v, want an error", name, got)
		}
	}
}

func FuzzReadShowq(f *testing.F) {
	f.Add([]byte(twoDeferred))
	f.Add([]byte(list("protocol=showq", ".", ".")))
	f.Fuzz(func(t *testing.T, text []byte) {
		queues, err := readShowq(bytes.NewReader(text), ignored)
		if err != nil {
			return
		}
		for name, q := range queues {
			if q.Messages < 0 || q.Messages == 0 && !q.Oldest.IsZero() || q.Messages > len(text) {
				t.Errorf("%s: got %+v", name, q)
			}
		}
	})
}

// conn answers what it was told beforehand.
type conn struct {
	io.Reader
	asked bytes.Buffer
}

func (c *conn) Write(p []byte) (int, error) { return c.asked.Write(p) }

func TestAskFlush(t *testing.T) {
	greeting := list("protocol=queue_flush_protocol", ".")
	for name, test := range map[string]struct {
		answer string
		good   bool
	}{
		"taken":   {greeting + list("status=0", "."), true},
		"refused": {greeting + list("status=4", "."), false},
		"cut":     {greeting + "status\x00", false},
		"silence": {greeting, false},
		"endless": {greeting + strings.Repeat("x\x00", maxReply), false},
	} {
		c := &conn{Reader: strings.NewReader(test.answer)}
		if err := askFlush(c, "4g"); (err == nil) != test.good {
			t.Errorf("%s: got %v", name, err)
		}
		if want := list("request=send_file", "queue_id=4g", "."); c.asked.String() != want {
			t.Errorf("%s: asked %q, want %q", name, c.asked.String(), want)
		}
	}
}

func FuzzAskFlush(f *testing.F) {
	f.Add([]byte(list("protocol=queue_flush_protocol", ".", "status=0", ".")))
	f.Fuzz(func(t *testing.T, answer []byte) {
		if err := askFlush(&conn{Reader: bytes.NewReader(answer)}, "4g"); err == nil && !slices.Contains(strings.Split(string(answer), "\x00"), "status") {
			t.Errorf("%q was taken for a yes", answer)
		}
	})
}
