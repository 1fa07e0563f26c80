package relay

import (
	"encoding/binary"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// TestHostileStreams wants each to be closed, and the server to live.
func TestHostileStreams(t *testing.T) {
	address, _, events := start(t, nil)
	overflow := make([]byte, 20) // its length and header are 65,536 bytes: 0 in 16 bits
	binary.BigEndian.PutUint16(overflow[2:], 0xffec)
	binary.BigEndian.PutUint32(overflow[4:], 0x2112a442)
	for name, text := range map[string]string{
		"overflow": string(overflow), "HTTP": "GET / HTTP/1.1\r\n\r\n", "TLS": "\x16\x03\x01\x02\x00\x01\x00", "RTP": "\x80\x60\x00\x01",
		"long data": "\x40\x00\xff\xff", "odd length": "\x00\x01\x00\x01", "long message": "\x00\x01\x40\x00", "SSH": "SSH-2.0-x\r\n",
	} {
		before := events.of(Malformed)
		conn, err := net.Dial("tcp4", address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, text); err != nil {
			t.Fatal(err)
		}
		conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		if answer, err := io.ReadAll(conn); err != nil && !strings.Contains(err.Error(), "reset") || len(answer) > 0 {
			t.Errorf("%s: got %q, %v", name, answer, err)
		}
		if events.of(Malformed) == before {
			t.Errorf("%s: was not counted", name)
		}
	}
	if _, err := dial(t, address, "tcp", "alice").Allocate(); err != nil {
		t.Error(err)
	}
}

// TestHostilePackets wants no answer to what is not a request, and no crash.
func TestHostilePackets(t *testing.T) {
	address, _, events := start(t, nil)
	conn, err := net.Dial("udp4", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, packet := range []string{
		"", "\x00", "\x40\x00", "\x40\x00\x00\x04", "\x40\x00\xff\xff1234", "\x7f\xff\x00\x00", strings.Repeat("\xff", 1599), strings.Repeat("\x00", 1600),
		"\x00\x16\x00\x00\x21\x12\xa4\x42aaaaaaaaaaaa", "\x00\x17\x00\x00\x21\x12\xa4\x42aaaaaaaaaaaa", "\x01\x01\x00\x00\x21\x12\xa4\x42aaaaaaaaaaaa",
		"\x00\x03\x00\x08\x21\x12\xa4\x42aaaaaaaaaaaa\x00\x08\xff\xff0000",
	} {
		if _, err := conn.Write([]byte(packet)); err != nil {
			t.Fatal(err)
		}
	}
	answers := 0
	end := time.Now().Add(20 * time.Second)
	for buf := make([]byte, 1500); events.of(Rate) == 0 && time.Now().Before(end); {
		if _, err := conn.Write([]byte("\x00\x01\x00\x00\x21\x12\xa4\x42aaaaaaaaaaaa")); err != nil {
			t.Fatal(err)
		}
		conn.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
		if _, err := conn.Read(buf); err == nil {
			answers++
		}
	}
	if answers < networkBurst/2 || events.of(Rate) == 0 {
		t.Errorf("%d answers, %d refused for their rate", answers, events.of(Rate))
	}
}
