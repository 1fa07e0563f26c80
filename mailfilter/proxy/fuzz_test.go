package proxy

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"chatmaild/mailfilter"
)

// script is a connection whose peer has said all it will ever say.
type script struct {
	net.Conn
	in    io.Reader
	piece int // how much of it one Read gives
	out   bytes.Buffer
}

func (s *script) Read(b []byte) (int, error)       { return s.in.Read(b[:min(s.piece, len(b))]) }
func (s *script) Write(b []byte) (int, error)      { return s.out.Write(b) }
func (s *script) SetDeadline(time.Time) error      { return nil }
func (s *script) SetReadDeadline(time.Time) error  { return nil }
func (s *script) SetWriteDeadline(time.Time) error { return nil }
func (s *script) RemoteAddr() net.Addr             { return &net.UnixAddr{} }
func (s *script) Close() error                     { return nil }

func scripted(data []byte, piece int) *peer {
	p := new(peer)
	p.arm = func() error { return nil }
	p.reset(&script{in: bytes.NewReader(data), piece: piece})
	return p
}

const fuzzLimit = 1 << 16 // of a message

// readDots is what the reader makes of data, read in pieces.
func readDots(data []byte, piece int) (message, rest []byte, err error) {
	p := scripted(data, piece)
	d := &dotReader{src: p, limit: fuzzLimit}
	message, err = io.ReadAll(d)
	rest, _ = io.ReadAll(p)
	return message, rest, err
}

// reference is the same by the letter of RFC 5321, sections 2.3.8 and 4.5.2, in
// the simplest way: the end, then the lines, then the dots.
func reference(data []byte) (message, rest []byte, ok bool) {
	text, after, found := strings.Cut("\r\n"+string(data), "\r\n.\r\n")
	if !found {
		return nil, nil, false
	}
	var b bytes.Buffer
	for _, line := range strings.Split(text, "\r\n")[1:] {
		line = strings.TrimPrefix(line, ".")
		if strings.ContainsAny(line, "\r\n\x00") || len(line) > mailfilter.MaxLine {
			return nil, nil, false
		}
		b.WriteString(line + "\r\n")
	}
	return b.Bytes(), []byte(after), b.Len() <= fuzzLimit
}

// FuzzDotReader compares the reader with the reference, for data that comes at
// once and in pieces, and checks that what is passed on means the same.
func FuzzDotReader(f *testing.F) {
	for _, seed := range []string{
		".\r\n", "a\r\n.\r\n", "..\r\n.\r\nQUIT\r\n", "a\n.\n.\r\n", "a\r\n.\rb\r\n.\r\n", ".a\r\n.\r\n",
		"a\r\r\n.\r\n", "a\x00\r\n.\r\n", "\r\n\r\n.\r\n", "a\r\n.", "a\r\n.\r",
		"abc\r\ndef\r\n.\r\n", "abc\r\nd\nf\r\n.\r\n", "abc\r\nd\rf\r\n.\r\n", "abc\r\n.ef\r\nghi\r\n.\r\n", "ab\r\na\n\r\n\rb\n.\r\n", strings.Repeat("x", 999) + "\r\n.\r\n",
	} {
		f.Add([]byte(seed), 3)
	}
	f.Fuzz(func(t *testing.T, data []byte, piece int) {
		want, wantRest, ok := reference(data)
		for _, piece := range []int{1, max(1, piece), 1 << 20} {
			got, rest, err := readDots(data, piece)
			if (err == nil) != ok {
				t.Fatalf("pieces of %d: %v, want an error: %v", piece, err, !ok)
			}
			if !ok {
				continue
			}
			if !bytes.Equal(got, want) || !bytes.Equal(rest, wantRest) {
				t.Fatalf("pieces of %d: got %q and %q, want %q and %q", piece, got, rest, want, wantRest)
			}
		}
		if !ok {
			return
		}
		var wire bytes.Buffer
		s := stuffer{w: bufio.NewWriter(&wire)}
		for rest := want; len(rest) > 0; {
			n, _ := s.Write(rest[:min(max(1, piece), len(rest))])
			rest = rest[n:]
		}
		s.w.WriteString(".\r\n")
		s.w.Flush()
		if again, rest, err := readDots(wire.Bytes(), 1<<20); err != nil || !bytes.Equal(again, want) || len(rest) > 0 {
			t.Fatalf("stuffed again: %q (%v), want %q", again, err, want)
		}
	})
}

// FuzzSession feeds a whole session. Whatever comes, each line of the answer is
// a reply, and 250 is never said to data, as there is no queue.
func FuzzSession(f *testing.F) {
	for _, seed := range []string{
		"EHLO x\r\nMAIL FROM:<free@our.test> SIZE=1\r\nRCPT TO:<b@far.test>\r\nDATA\r\nFrom: free@our.test\r\n\r\nx\r\n.\r\nQUIT\r\n",
		"EHLO x\r\nXFORWARD A=B\r\nMAIL FROM: a\r\nRSET\r\nVRFY\r\nNOOP\r\n\r\n",
		"HELO x\r\nMAIL FROM:<\"a>b\"@c>\r\nRCPT TO:<>\r\nDATA\r\n",
	} {
		f.Add([]byte(seed), 5)
	}
	server := New(Options{
		Name: "our.test", Policy: outgoing(f), Queue: "127.0.0.1:1", MaxMessageSize: 1 << 16, MaxInFlight: 1,
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	f.Fuzz(func(t *testing.T, data []byte, piece int) {
		conn := &script{in: bytes.NewReader(data), piece: max(1, piece)}
		server.serve(conn)
		for line := range strings.Lines(conn.out.String()) {
			if len(line) < 6 || line[0] < '2' || line[0] > '5' || line[3] != ' ' && line[3] != '-' || !strings.HasSuffix(line, "\r\n") {
				t.Fatalf("said %q", line)
			}
		}
		if _, after, ok := strings.Cut(conn.out.String(), sayData); ok && strings.HasPrefix(after, "2") {
			t.Fatalf("said %q to a message that nobody took", after)
		}
	})
}

// FuzzPath: what is parsed, written down and parsed again is the same.
func FuzzPath(f *testing.F) {
	for _, seed := range []string{"FROM:<a@b> SIZE=1", "FROM: a@b X", "FROM:<>", "FROM:<\"a>\\\"\"@b>", "FROM:<a@b>x", "FROM:\"a"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, args string) {
		p, ok := parsePath(args, "FROM:")
		if !ok {
			return
		}
		again, ok := parsePath("FROM:<"+p.addr+">"+p.params, "FROM:")
		if !ok || again != p {
			t.Fatalf("%q is %+v, but written down again %+v (%v)", args, p, again, ok)
		}
	})
}

// BenchmarkDotReader reads 1 MiB of armor.
func BenchmarkDotReader(b *testing.B) {
	data := []byte(strings.Repeat(strings.Repeat("A", 64)+"\r\n", 1<<20/66) + ".\r\n")
	buf := make([]byte, readBuffer)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		d := &dotReader{src: scripted(data, 1<<20), limit: 1 << 30}
		for {
			if _, err := d.Read(buf); err != nil {
				if err != io.EOF {
					b.Fatal(err)
				}
				break
			}
		}
	}
}

// FuzzUser feeds the whole session of a user's client. Whatever comes, each line of the answer is
// a reply; no message is begun before a login, nor anything before TLS, where that is wanted.
func FuzzUser(f *testing.F) {
	login := "EHLO x\r\nAUTH PLAIN " + plain64("free@our.test", "right") + "\r\n"
	for _, seed := range []string{
		login + "MAIL FROM:<free@our.test> SIZE=1\r\nRCPT TO:<b@far.test>\r\nDATA\r\nFrom: free@our.test\r\n\r\nx\r\n.\r\nQUIT\r\n",
		"EHLO x\r\nAUTH LOGIN\r\n" + text64("free@our.test") + "\r\n" + text64("right") + "\r\nMAIL FROM:<free@our.test>\r\n",
		"EHLO x\r\nAUTH PLAIN\r\n*\r\nAUTH LOGIN " + text64("a") + "\r\n" + text64("wrong") + "\r\nMAIL FROM:<b@our.test>\r\n",
		"STARTTLS\r\nEHLO x\r\n", "MAIL FROM:<a@b>\r\nAUTH\r\nAUTH =\r\n",
		login + "MAIL FROM:<other@our.test>\r\nRSET\r\nEHLO y\r\nMAIL FROM:<>\r\n" + login,
	} {
		f.Add([]byte(seed), 5)
	}
	front := New(Options{
		Name: "our.test", Policy: outgoing(f), Queue: "127.0.0.1:1", MaxMessageSize: 1 << 16, MaxInFlight: 1,
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}).NewSubmission(SubmissionOptions{
		Hostname: "mx.our.test", Auth: &accounts{}, MaxClients: 1, MaxOfOne: 1, SpoolDir: f.TempDir(),
		Certificate: func() (*tls.Certificate, error) { return nil, errors.New("there is none") },
	})
	f.Fuzz(func(t *testing.T, data []byte, piece int) {
		for _, e := range []Entrance{{TLS: StartTLS}, {TLS: Outside}} {
			conn := &script{in: bytes.NewReader(data), piece: max(1, piece)}
			front.serve(conn, e)
			said := conn.out.String()
			for line := range strings.Lines(said) {
				if len(line) < 6 || line[0] < '2' || line[0] > '5' || line[3] != ' ' && line[3] != '-' || !strings.HasSuffix(line, "\r\n") {
					t.Fatalf("said %q", line)
				}
			}
			before, _, in := strings.Cut(said, sayLoggedIn)
			if in && e.TLS == StartTLS || strings.Contains(before, saySender) || strings.Contains(before, sayData) {
				t.Fatalf("said %q", said)
			}
			if _, after, ok := strings.Cut(said, sayData); ok && strings.HasPrefix(after, "2") {
				t.Fatalf("said %q to a message that nobody took", after)
			}
		}
	})
}
