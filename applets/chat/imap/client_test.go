package imap

import (
	"bufio"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"chatmaild/testdata/kit/monologue"
)

// TestClient holds that each response is read whole, and that the client says no more
// than it has to.
func TestClient(t *testing.T) {
	conn := monologue.Says("* OK ready\r\n" +
		"t1 OK in\r\n" +
		"* 2 EXISTS\r\n* 0 RECENT\r\nt2 OK [READ-WRITE] open\r\n" +
		"* CAPABILITY IMAP4rev1 Idle MOVE\r\nt3 OK done\r\n" +
		"+ idling\r\n* OK still here\r\n* 3 EXISTS\r\n* 4 EXISTS\r\nidle OK done\r\n" +
		"* 4 FETCH (FLAGS () BODY[] {11}\r\nSubject: {3} UID 7)\r\n* 5 EXISTS\r\nt4 OK done\r\n" +
		"* METADATA \"\" (/shared/comment {5}\r\na \"b\" /Shared/Admin NIL /shared/x \"q\\\"uo te\" /shared/y atom)\r\nt5 OK done\r\n" +
		"t6 NO not now\r\n")
	d, err := New(conn)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Login(`a"b@chat.test`, `\`); err != nil {
		t.Error(err)
	}
	if n, err := d.Select(); err != nil || n != 2 {
		t.Errorf("select: %d, %v", n, err)
	}
	if got, err := d.Capabilities(); err != nil || !slices.Equal(got, []string{"IMAP4REV1", "IDLE", "MOVE"}) {
		t.Errorf("capabilities: %q, %v", got, err)
	}
	if n, err := d.Wait(2); err != nil || n != 4 {
		t.Errorf("waiting: %d, %v", n, err)
	}
	if got, err := d.Message(4); err != nil || got != "Subject: {3" {
		t.Errorf("message: %q, %v", got, err)
	}
	// What was told meanwhile need not be waited for.
	if n, err := d.Wait(4); err != nil || n != 5 {
		t.Errorf("waiting again: %d, %v", n, err)
	}
	values, err := d.Metadata("", "/shared/comment")
	if want := map[string]string{"/shared/comment": `a "b"`, "/shared/x": `q"uo te`, "/shared/y": "atom"}; err != nil || !maps.Equal(values, want) {
		t.Errorf("metadata: got %q, %v", values, err)
	}
	var refused *Refused
	if err := d.Login("", ""); !errors.As(err, &refused) || refused.Status != "NO not now" {
		t.Errorf("a refused login: %v", err)
	}
	want := "t1 LOGIN \"a\\\"b@chat.test\" \"\\\\\"\r\nt2 SELECT INBOX\r\nt3 CAPABILITY\r\nidle IDLE\r\nDONE\r\n" +
		"t4 FETCH 4 BODY.PEEK[]\r\nt5 GETMETADATA \"\" (/shared/comment)\r\nt6 LOGIN \"\" \"\"\r\n"
	if got := conn.Heard.String(); got != want {
		t.Errorf("the server heard\n%q, want\n%q", got, want)
	}
}

// TestBadResponses holds that what a server sends is bounded, and that the error says
// what was wrong.
func TestBadResponses(t *testing.T) {
	for said, want := range map[string]string{
		"* BYE too many\r\n":                         "IMAP greeting: * BYE too many",
		"* OK hi\r\nt1 BAD what\r\n":                 "FETCH: BAD what",
		"* OK hi\r\nt1 OK done\r\n":                  "0 messages with the number 1",
		"* OK hi\r\n* 1 FETCH (BODY[] {9999999}\r\n": "FETCH: a response of more than 1048576 bytes",
		"* OK hi\r\n* 1 FETCH (BODY[] {5}\r\nabc":    "FETCH: EOF",
		"* OK hi\r\n" + strings.Repeat("* OK more\r\n", maxResponses) + "t1 OK x\r\n": "FETCH: endless IMAP responses",
	} {
		d, err := New(monologue.Says(said))
		if err == nil {
			_, err = d.Message(1)
		}
		if err == nil || err.Error() != want {
			t.Errorf("%.40q: got %v, want %s", said, err, want)
		}
	}
}

// TestAwait holds that a message that IDLE does not announce is found nevertheless.
func TestAwait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer near.Close()
		var heard []string
		go func() {
			defer far.Close()
			fmt.Fprint(far, "* OK hi\r\n")
			for r := bufio.NewReader(far); ; {
				line, err := r.ReadString('\n')
				if err != nil {
					return
				}
				heard = append(heard, strings.TrimSpace(line))
				answer := map[string]string{
					"idle IDLE": "+ idling\r\n", "DONE": "idle OK done\r\n",
					"t1 NOOP": "t1 OK nothing\r\n", "t2 NOOP": "* 3 EXISTS\r\nt2 OK done\r\n",
				}[heard[len(heard)-1]]
				fmt.Fprint(far, answer)
			}
		}()
		d, err := New(near)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		n, told, err := d.Await(2)
		if took := time.Since(start); n != 3 || told || err != nil || took != 2*patience {
			t.Errorf("got %d, told %v, %v after %v", n, told, err, took)
		}
		want := []string{"idle IDLE", "DONE", "t1 NOOP", "idle IDLE", "DONE", "t2 NOOP"}
		synctest.Wait()
		if !slices.Equal(heard, want) {
			t.Errorf("the server heard %q, want %q", heard, want)
		}
		if n, told, err := d.Await(2); n != 3 || !told || err != nil {
			t.Errorf("of what is known: %d, told %v, %v", n, told, err)
		}
	})
}

func FuzzClient(f *testing.F) {
	f.Add("* OK hi\r\n* 3 EXISTS\r\nt1 OK open\r\n+ idling\r\n* 4 EXISTS\r\nidle OK\r\n* 4 FETCH (BODY[] {3}\r\nabc)\r\nt2 OK\r\n")
	f.Add("* OK hi\r\nt1 OK\r\n* METADATA \"\" (/a {2}\r\nbc /d \"e\" /f NIL)\r\nt2 OK\r\n")
	f.Fuzz(func(t *testing.T, said string) {
		d, err := New(monologue.Says(said))
		if err != nil {
			return
		}
		n, err := d.Select()
		if err != nil {
			return
		}
		if _, err := d.Wait(n); err == nil {
			d.Message(n)
		}
		d.Metadata("", "/a")
	})
}

func FuzzMetadata(f *testing.F) {
	f.Add(`"" (/shared/comment "a b" /shared/admin NIL)`)
	f.Add(`INBOX (/private/devicetoken {3}abc)`)
	f.Fuzz(func(t *testing.T, list string) {
		values := make(map[string]string)
		parseMetadata(list, values)
		total := 0
		for name, value := range values {
			total += len(name) + len(value)
		}
		// Lower case may be longer, in bytes, than what it is made of.
		if total > 3*len(list) {
			t.Errorf("%d bytes of values out of %d", total, len(list))
		}
	})
}
