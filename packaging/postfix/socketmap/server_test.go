package socketmap

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"chatmaild/testdata/kit/unixsocket"
)

// fakeHandler has one key; others make it fail.
type fakeHandler struct {
	begun, block chan struct{} // of the key "block"
}

func (h *fakeHandler) Lookup(_ context.Context, table, key string) (string, bool, error) {
	switch {
	case table != "t":
		return "", false, errors.New("no such table")
	case key == "fail":
		return "", false, errors.New("no disk")
	case key == "panic":
		panic("a bug")
	case key == "block":
		close(h.begun)
		<-h.block
	}
	return "v", key == "a b" || key == "block", nil
}

// start serves on a socket and returns how to connect, and how to stop.
func start(t testing.TB, h Handler, log io.Writer) (dial func() net.Conn, stop func() error) {
	t.Helper()
	s := Server{Handler: h, Log: slog.New(slog.NewTextHandler(log, nil))}
	path, stop := unixsocket.Serve(t, s.Serve)
	return func() net.Conn { return unixsocket.Dial(t, path) }, stop
}

func TestDialogues(t *testing.T) {
	for _, tt := range []struct{ name, send, want, log string }{
		{"found and not", "5:t a b,3:t x,5:t a b,", "4:OK v,9:NOTFOUND ,4:OK v,", ""},
		{"fault", "6:t fail,5:t a b,", "12:TEMP no disk,4:OK v,", ""},
		{"another table", "3:u a,", "18:TEMP no such table,", ""},
		{"malformed", "5:t a b,x", "4:OK v,", "broken socketmap protocol"},
		{"no table", "3:abc,", "", "broken socketmap protocol"},
		{"too long", "999999:", "", "broken socketmap protocol"},
		{"a bug of ours", "7:t panic,", "", "internal fault in a socketmap request"},
		{"nothing", "", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var log bytes.Buffer
			dial, stop := start(t, &fakeHandler{}, &log)
			c := dial()
			if _, err := io.WriteString(c, tt.send); err != nil {
				t.Fatal(err)
			}
			if err := c.(*net.UnixConn).CloseWrite(); err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(c)
			if err != nil || string(got) != tt.want {
				t.Errorf("got %q, %v; want %q", got, err, tt.want)
			}
			if err := stop(); err != nil {
				t.Error(err)
			}
			if !strings.Contains(log.String(), tt.log) || tt.log == "" && log.Len() > 0 {
				t.Errorf("log: got %q, want %q in it", log.String(), tt.log)
			}
			if strings.Contains(log.String(), "t a b") {
				t.Errorf("the log has a key: %s", log.String())
			}
		})
	}
}

// TestStop holds that a request that is being answered is finished, and that
// idle connections do not keep the server.
func TestStop(t *testing.T) {
	h := &fakeHandler{begun: make(chan struct{}), block: make(chan struct{})}
	var log bytes.Buffer
	dial, stop := start(t, h, &log)
	dial() // idle
	c := dial()
	if _, err := io.WriteString(c, "7:t block,"); err != nil {
		t.Fatal(err)
	}
	<-h.begun
	stopped := make(chan error, 1)
	go func() { stopped <- stop() }()
	close(h.block)
	if got, err := io.ReadAll(c); err != nil || string(got) != "4:OK v," {
		t.Errorf("got %q, %v", got, err)
	}
	if err := <-stopped; err != nil || log.Len() > 0 {
		t.Errorf("got %v and the log %q", err, log.String())
	}
}

func BenchmarkLookup(b *testing.B) {
	dial, _ := start(b, &fakeHandler{}, io.Discard)
	c := dial()
	_ = c.SetDeadline(time.Time{})
	request, reply := []byte("5:t a b,"), make([]byte, len("4:OK v,"))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Write(request); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(c, reply); err != nil {
			b.Fatal(err)
		}
	}
}
