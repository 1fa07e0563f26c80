package relay

import (
	"bufio"
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"chatmaild/applets/iroh/frame"
)

// TestCore takes in what the real client says first: Delta Chat core, as TestIroh of the
// lab has recorded it with IROH_FIXTURE=DIRECTORY. Nothing in it depends on what the relay
// says, so that it is good for a second time: see frame.Prove.
func TestCore(t *testing.T) {
	files, err := filepath.Glob("testdata/core-*")
	if err != nil || len(files) < 2 {
		t.Fatalf("got %q, %v; want two clients", files, err)
	}
	r := start(t, nil)
	sender := r.client(t)
	for _, name := range files {
		said, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		_, first, _ := bytes.Cut(said, []byte("\r\n\r\n"))
		proof, n, err := frame.Next(first)
		if err != nil || n != len(first) {
			t.Fatalf("%s: a frame of %d bytes of %d, %v", name, n, len(first), err)
		}
		key, err := frame.Proven(proof)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		conn := r.dial(t)
		ping := frame.Append(nil, frame.Frame{Type: frame.Ping, Data: []byte("12345678")})
		if _, err := conn.Write(append(said, ping...)); err != nil {
			t.Fatal(err)
		}
		in := bufio.NewReaderSize(conn, frame.MaxSize)
		answer, err := http.ReadResponse(in, nil)
		if err != nil || answer.StatusCode != http.StatusSwitchingProtocols {
			t.Fatalf("%s: got %v, %v", name, answer, err)
		}
		if f, err := frame.Read(in); err != nil || f.Type != frame.Pong {
			t.Fatalf("%s: got %v, %v; want a pong", name, f, err)
		}
		if err := sender.Send(key, []byte("hello")); err != nil {
			t.Fatal(err)
		}
		if f, err := frame.Read(in); err != nil || f.Key != sender.Key || string(f.Data) != "hello" {
			t.Errorf("%s: got %v, %v", name, f, err)
		}
	}
}
