package handback

import (
	"bufio"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"chatmaild/applets/transport/smtpout"
)

// serve is a Postfix that answers each command with 250, but for those of answers.
func serve(t *testing.T, answers map[string]string) (socket string, got *strings.Builder) {
	t.Helper()
	socket = filepath.Join(t.TempDir(), "handback")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	got = &strings.Builder{}
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "220 postfix\r\n")
		r := bufio.NewReader(conn)
		inText := false
		for {
			line, err := r.ReadString('\n')
			if err != nil {
				return
			}
			got.WriteString(line)
			verb, _, _ := strings.Cut(strings.TrimSpace(line), " ")
			answer, scripted := answers[verb]
			switch {
			case inText && line != ".\r\n":
				continue
			case scripted:
			case verb == "DATA":
				answer = "354 go\r\n"
			default:
				answer = "250 2.0.0 Ok\r\n"
			}
			inText = strings.HasPrefix(answer, "354")
			if _, err := io.WriteString(conn, answer); err != nil {
				return
			}
		}
	}()
	return socket, got
}

func TestDeliver(t *testing.T) {
	const text = "DKIM-Signature: x\r\nFrom: <a@us.test>\r\n\r\n.hello\r\n"
	m := smtpout.Message{Sender: "a@us.test", Recipients: []string{"b@them.test", "c@them.test"}, Size: int64(len(text)), Open: func() io.Reader { return strings.NewReader(text) }}
	for _, tt := range []struct {
		answers map[string]string
		code    int
		said    string
	}{
		{nil, 250, "Ok"},
		{map[string]string{"MAIL": "452 4.3.1 Insufficient system storage\r\n"}, 451, "452 Insufficient system storage"},
		{map[string]string{".": "554 5.6.0 no\r\n"}, 451, "554 no"}, // our fault, not the message's
	} {
		socket, got := serve(t, tt.answers)
		replies := (&Client{Name: "us.test", Socket: socket}).Deliver(t.Context(), "them.test", m)
		if len(replies) != 2 || replies[1].Code != tt.code || !strings.Contains(replies[1].Text, tt.said) {
			t.Errorf("%v: got %+v", tt.answers, replies)
		}
		if tt.code == 250 && !strings.Contains(got.String(), "DATA\r\n"+strings.Replace(text, "\r\n.", "\r\n..", 1)+".\r\n") {
			t.Errorf("Postfix got %q", got)
		}
	}
	if replies := (&Client{Name: "us.test", Socket: "/nowhere"}).Deliver(t.Context(), "them.test", m); replies[0].Code != 451 {
		t.Errorf("without Postfix: got %+v", replies)
	}
}
