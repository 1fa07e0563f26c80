package proxy

import (
	"strings"
	"testing"

	"chatmaild/mailfilter"
)

// TestByteForByte sends what is awkward and allowed in each of several ways of
// cutting it into packets; it has to reach the queue as it was sent.
func TestByteForByte(t *testing.T) {
	line := strings.Repeat("x", mailfilter.MaxLine)
	bodies := map[string]string{
		"empty":             "",
		"one line":          "hello\r\n",
		"empty lines":       "\r\n\r\n\r\n",
		"stuffed dots":      "..\r\n...\r\n..x\r\n.. \r\n",
		"dots inside":       "a.\r\na.b\r\n",
		"longest line":      line + "\r\n",
		"longest, dotted":   ".." + line[1:] + "\r\n",
		"eight bits":        "\x80\xff\xc3\xa4\r\n",
		"controls":          "\x01\x07\x1b\x7f\t\v\f\r\n",
		"from lines":        "From x\r\n>From y\r\n",
		"trailing blanks":   "x \t \r\n \r\n\t\r\n",
		"smtp in the body":  "QUIT\r\nMAIL FROM:<a@b>\r\nDATA\r\n..\r\n250 ok\r\n",
		"above the buffers": strings.Repeat("..dots and text, more than is held back\r\n", 5000),
		"one buffer":        strings.Repeat("0123456789abcde\r\n", readBuffer/17),
	}
	for name, body := range bodies {
		for _, piece := range []int{1 << 30, 7, 1} {
			if len(body) > 1<<16 && piece < 100 {
				piece *= 1021
			}
			t.Run(name, func(t *testing.T) {
				sink := newSink(t, nil)
				c := start(t, sink.addr(), nil).dial()
				c.envelope("free@our.test", "b@far.test")
				sent := wire(body)
				for rest := sent + ".\r\n"; rest != ""; {
					n := min(piece, len(rest))
					c.send(rest[:n])
					rest = rest[n:]
				}
				c.want("250 2.0.0 Ok: queued as")
				got := sink.got()
				if len(got) != 1 || got[0].data != sent {
					t.Fatalf("pieces of %d: got %.200q, want %.200q", piece, got, sent)
				}
			})
		}
	}
}

// TestNeedlessStuffing: a single dot before text is taken off by every reader
// (RFC 5321, section 4.5.2), so the message is the same without it.
func TestNeedlessStuffing(t *testing.T) {
	sink := newSink(t, nil)
	c := start(t, sink.addr(), nil).dial()
	c.envelope("free@our.test", "b@far.test")
	c.send(wire(".x\r\n.\r\n"))
	c.want("250")
	if got, want := sink.got()[0].data, wire("x\r\n"); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestMalformed: what is not well-formed is refused as a whole, and nothing
// behind it is taken for a command.
func TestMalformed(t *testing.T) {
	smuggled := "MAIL FROM:<evil@our.test>\r\nRCPT TO:<b@far.test>\r\nDATA\r\n"
	for _, tt := range []struct{ name, body, want string }{
		{"bare LF", "a\nb\r\n", "554 5.6.0 Bare"},
		{"bare CR", "a\rb\r\n", "554 5.6.0 Bare"},
		{"CR CR LF", "a\r\r\n", "554 5.6.0 Bare"},
		{"LF at the start of a line", "a\r\n\nb\r\n", "554 5.6.0 Bare"},
		{"CR at the start of a line", "a\r\n\rb\r\n", "554 5.6.0 Bare"},
		{"LF . LF", "a\n.\n" + smuggled, "554 5.6.0 Bare"},
		{"LF . CR LF", "a\n.\r\n" + smuggled, "554 5.6.0 Bare"},
		{"CR LF . LF", "a\r\n.\n" + smuggled, "554 5.6.0 Bare"},
		{"CR LF . CR", "a\r\n.\r" + smuggled, "554 5.6.0 Bare"},
		{"CR . CR", "a\r.\r" + smuggled, "554 5.6.0 Bare"},
		{"CR . CR LF", "a\r.\r\n" + smuggled, "554 5.6.0 Bare"},
		{"CR LF . CR CR LF", "a\r\n.\r\r\n" + smuggled, "554 5.6.0 Bare"},
		{"CR LF NUL . CR LF", "a\r\n\x00.\r\n" + smuggled, "554 5.6.0 NUL"},
		{"NUL", "a\x00b\r\n", "554 5.6.0 NUL"},
		{"long line", strings.Repeat("x", mailfilter.MaxLine+1) + "\r\n", "500 5.5.2 Line too long"},
		{"long dotted line", ".." + strings.Repeat("x", mailfilter.MaxLine) + "\r\n", "500 5.5.2 Line too long"},
		{"endless line", strings.Repeat("x", 1<<20) + "\r\n", "500 5.5.2 Line too long"},
		{"too large", strings.Repeat(strings.Repeat("x", 98)+"\r\n", 42<<10), "552 5.3.4 Message too large"},
		{"far into the body", strings.Repeat("x\r\n", 100_000) + "\n.\r\n", "554 5.6.0 Bare"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sink := newSink(t, nil)
			f := start(t, sink.addr(), nil)
			c := f.dial()
			c.envelope("free@our.test", "b@far.test")
			c.send(wire(tt.body) + "\r\n.\r\n")
			c.want(tt.want)
			c.closed()
			if got := sink.got(); len(got) != 0 {
				t.Errorf("the queue got %d messages", len(got))
			}
			if got := f.observer.results(); len(got) != 1 || got[0] != Malformed {
				t.Errorf("events %v, want one %v", got, Malformed)
			}
		})
	}
}
