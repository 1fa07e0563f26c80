package proxy

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"chatmaild/mailfilter"
)

// TestDeliver has messages come whole, as by HTTPS.
func TestDeliver(t *testing.T) {
	const head = "From: <free@our.test>\r\nSubject: x\r\n\r\n"
	envelope := func(from string, to ...string) mailfilter.Envelope {
		return mailfilter.Envelope{Sender: from, Recipients: to}
	}
	good := envelope("free@our.test", "b@far.test", "c@far.test")
	long := strings.Repeat("all work and no play\r\n", 20_000)
	for _, test := range []struct {
		name    string
		env     mailfilter.Envelope
		message string
		want    string // how the reply begins
		data    string // what the queue gets
	}{
		{"plain", good, head + "hello\r\n", "250 2.0.0 Ok: queued as", head + "hello\r\n"},
		{"dots are stuffed", good, head + ".\r\n..\r\n.x\r\n", "250 ", head + "..\r\n...\r\n..x\r\n"},
		{"a dot at the end", good, head + "x\r\n.", "250 ", head + "x\r\n..\r\n"},
		{"no line end", good, head + "x", "250 ", head + "x\r\n"},
		{"header alone", good, "From: <free@our.test>\r\n", "250 ", "From: <free@our.test>\r\n"},
		{"large", good, head + long, "250 ", head + long},
		{"bare LF", good, head + "x\n", "554 5.6.0 Bare CR or LF", ""},
		{"bare CR at the end", good, head + "x\r", "554 5.6.0 Bare CR or LF", ""},
		{"smuggled", good, head + "x\n.\nMAIL FROM:<a@b.test>\r\n", "554 5.6.0 Bare CR or LF", ""},
		{"NUL", good, head + "\x00\r\n", "554 5.6.0 NUL", ""},
		{"too large", good, head + strings.Repeat(long, 11), "552 5.3.4", ""},
		{"long line", good, head + strings.Repeat("x", 1000) + "\r\n", "500 5.5.2", ""},
		{"empty", good, "", "554 5.6.0 Invalid message header", ""},
		{"in the clear", envelope("a@our.test", "b@far.test"), "From: <a@our.test>\r\n\r\nhello\r\n", sayEncrypt, ""},
		{"too fast", envelope("fast@our.test", "b@far.test"), "From: <fast@our.test>\r\n\r\nhello\r\n", "450 4.7.1", ""},
		{"no recipient", envelope("free@our.test"), head, "554 5.5.1", ""},
		{"two recipients in one", envelope("free@our.test", "b@far.test> <c@far.test"), head, "553 5.1.3", ""},
		{"a parameter", envelope("free@our.test", "b@far.test> NOTIFY=NEVER <"), head, "553 5.1.3", ""},
		{"a parameter of the sender", envelope("free@our.test> SIZE=1 <", "b@far.test"), head, "553 5.1.7", ""},
		{"quoted", envelope("free@our.test", `"b"@far.test`), head, "553 5.1.3", ""},
		{"control", envelope("free@our.test", "b\x01@far.test"), head, "553 5.1.3", ""},
		{"not ASCII", envelope("fr\u00e9e@our.test", "b@far.test"), head, "553 5.1.7", ""},
		{"too many recipients", envelope("free@our.test", strings.Fields(strings.Repeat("b@far.test ", 1001))...), head, "452 4.5.3", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			queue := newSink(t, nil)
			f := start(t, queue.addr(), nil)
			reply := f.server.Deliver(t.Context(), test.env, strings.NewReader(test.message))
			if !strings.HasPrefix(reply, test.want) || strings.HasSuffix(reply, "\n") {
				t.Errorf("got the reply %q, want %q", reply, test.want)
			}
			mails := queue.got()
			if test.data == "" {
				if len(mails) > 0 {
					t.Errorf("the queue got %q", mails)
				}
				if got := f.observer.results(); len(got) > 0 {
					t.Errorf("the observer was told %v", got)
				}
				return
			}
			if len(mails) != 1 || mails[0].data != test.data || len(mails[0].envelope) != 3 ||
				mails[0].envelope[0] != "MAIL FROM:<free@our.test> BODY=8BITMIME" || mails[0].envelope[2] != "RCPT TO:<c@far.test>" {
				t.Errorf("the queue got %.300q, want %.300q", mails, test.data)
			}
			if got := f.observer.results(); len(got) != 1 || got[0] != Passed {
				t.Errorf("the observer was told %v", got)
			}
		})
	}
}

// TestDeliverTemporary wants a failure of the queue to be a temporary one, and its
// refusal to be passed on.
func TestDeliverTemporary(t *testing.T) {
	env := mailfilter.Envelope{Sender: "free@our.test", Recipients: []string{"b@far.test"}}
	for name, test := range map[string]struct{ answer, want string }{
		"full":    {"452 4.3.1 Insufficient system storage", "452 4.3.1"},
		"refused": {"554 5.7.1 no", "554 5.7.1 no"},
		"gone":    {hangUp, "451 4.4.0"},
	} {
		t.Run(name, func(t *testing.T) {
			queue := newSink(t, func(command string) string {
				if command == "." {
					return test.answer
				}
				return ""
			})
			f := start(t, queue.addr(), nil)
			if got := f.server.Deliver(t.Context(), env, strings.NewReader(wire("x\r\n"))); !strings.HasPrefix(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// atEnd calls f when what it reads has ended.
type atEnd struct {
	io.Reader
	f func() error
}

func (a *atEnd) Read(b []byte) (int, error) {
	n, err := a.Reader.Read(b)
	if err == io.EOF {
		err = a.f()
	}
	return n, err
}

// TestDeliverGone wants a message not to be queued whose sender went away before the
// queue had it, even after all of it had come.
func TestDeliverGone(t *testing.T) {
	env := mailfilter.Envelope{Sender: "free@our.test", Recipients: []string{"b@far.test"}}
	queue := newSink(t, nil)
	f := start(t, queue.addr(), nil)
	text := wire(strings.Repeat("x\r\n", 20_000)) // more than is held back from the queue
	ctx, leave := context.WithCancel(t.Context())
	for name, end := range map[string]func() error{
		"at the end":    func() error { leave(); return io.EOF },
		"in the middle": func() error { return errors.New("connection reset") },
	} {
		got := f.server.Deliver(ctx, env, &atEnd{strings.NewReader(text), end})
		if got[0] != '4' {
			t.Errorf("%s: got %q, want a temporary failure", name, got)
		}
	}
	f.stop()
	<-f.done
	f.done <- nil
	if got := f.server.Deliver(t.Context(), env, strings.NewReader(text)); !strings.HasPrefix(got, "421") {
		t.Errorf("after the end: got %q", got)
	}
	if mails := queue.got(); len(mails) > 0 {
		t.Errorf("the queue got %d messages", len(mails))
	}
}

// FuzzArticle holds an article against SMTP: what the queue gets of the same bytes is
// the same, and so is the verdict.
func FuzzArticle(f *testing.F) {
	for _, seed := range []string{"", "x", "x\r\n", ".\r\n", "..\r\n", "x\r\n.", "\r", "x\r\n.\r", "\n.\n", "a\x00", "\r\n.\r\nQUIT\r\n", ".x\r\n.y\r\n"} {
		f.Add([]byte(seed), uint8(3))
	}
	f.Fuzz(func(t *testing.T, data []byte, size uint8) {
		read := func(d *dotReader) (string, error) {
			var got strings.Builder
			_, err := io.CopyBuffer(&got, struct{ io.Reader }{d}, make([]byte, int(size)+1))
			return got.String(), err
		}
		whole := &dotReader{src: &article{ctx: context.Background(), body: strings.NewReader(string(data))}, article: true, limit: fuzzLimit}
		got, err := read(whole)

		text := string(data)
		if text != "" && !strings.HasSuffix(text, "\n") {
			text += "\r\n"
		}
		if strings.HasPrefix(text, ".") {
			text = "." + text
		}
		stuffed := strings.ReplaceAll(text, "\n.", "\n..") + ".\r\n"
		want, wantErr := read(&dotReader{src: scripted([]byte(stuffed), int(size)+1), limit: fuzzLimit})
		// Which of two faults comes first depends on how much is read at once.
		if got != want && err == nil || (err == nil) != (wantErr == nil) {
			t.Errorf("%q: got %q (%v), want %q (%v)", data, got, err, want, wantErr)
		}
	})
}
