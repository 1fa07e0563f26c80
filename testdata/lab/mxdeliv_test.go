package lab

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"chatmaild/applets/config"
	"chatmaild/testdata/lab/network"
)

// delivery is what a relay out there posts to ours.
type delivery struct {
	from    string // "" for the null sender
	to      []string
	message io.Reader
}

// TestMxdeliv has a relay out there, which can deliver by HTTPS alone, do so.
func TestMxdeliv(t *testing.T) {
	t.Parallel()
	const largest = 2 << 20 // more than what nginx takes unless told
	s := newSpelt(t, "_mxdeliv.test", fmt.Sprintf("max_message_size = %d", largest))
	carol, gone := s.carol.author, "gone12345@"+s.relay.Domain
	message := func(author string) string { return s.carol.sign(t, encryptedFrom(t, author), nil) }
	literal := "carol@[" + s.outside.IPv4.String() + "]"

	for _, http2 := range []bool{false, true} {
		client := s.httpsClient(http2)
		t.Run(fmt.Sprintf("HTTP 2: %v", http2), func(t *testing.T) {
			for _, test := range []struct {
				name     string
				from     string
				to       []string
				message  string
				status   int
				body     string // how it begins
				messages int    // that the victim gets
			}{
				{"signed", carol, []string{s.victim.addr}, message(carol), 200, "250 ", 1},
				{"two recipients, and one who is gone", carol, []string{s.victim.addr, gone, s.sender.addr}, message(carol), 200, "250 ", 1},
				{"more than a mebibyte", carol, []string{s.victim.addr}, s.carol.sign(t, sealedLarge(t, carol, 1<<20), nil), 200, "250 ", 1},
				{"null sender", "", []string{s.victim.addr}, message(carol), 200, "250 ", 1},
				{"no line end", carol, []string{s.victim.addr}, strings.TrimSuffix(message(carol), "\r\n"), 200, "250 ", 1},
				{"an address literal", literal, []string{s.victim.addr}, encryptedFrom(t, literal), 200, "250 ", 1},
				{"another's address literal", "carol@[192.0.2.1]", []string{s.victim.addr}, encryptedFrom(t, "carol@[192.0.2.1]"), 400, "554 5.7.1 The author's address literal", 0},
				{"not signed", carol, []string{s.victim.addr}, encryptedFrom(t, carol), 400, "554 5.7.1 No DKIM signature found", 0},
				{"in the clear", carol, []string{s.victim.addr}, s.carol.sign(t, readable(carol), nil), 400, unencrypted, 0},
				{"to another relay", carol, []string{carol}, message(carol), 400, invalid, 0},
				{"to nobody", carol, nil, message(carol), 400, "554 5.5.1", 0},
				{"spelled otherwise", carol, []string{`"` + s.victim.addr + `"`}, message(carol), 400, notPlain, 0},
				{"bare LF", carol, []string{s.victim.addr}, strings.ReplaceAll(message(carol), "\r\n", "\n"), 400, "554 5.6.0", 0},
				{"too large", carol, []string{s.victim.addr}, s.carol.sign(t, sealedLarge(t, carol, largest), nil), 413, "", 0},
			} {
				before, hadBounces := s.messages(t, s.victim), len(s.mx.Received())
				status, body := s.post(t, client, delivery{test.from, test.to, strings.NewReader(test.message)})
				if status != test.status || !strings.HasPrefix(body, test.body) {
					t.Errorf("%s: got %d %q, want %d %q", test.name, status, body, test.status, test.body)
				}
				s.delivered(t)
				if got := s.messages(t, s.victim) - before; got != test.messages {
					t.Errorf("%s: %d messages were delivered, want %d", test.name, got, test.messages)
				}
				bounces := s.mx.Received()[hadBounces:]
				if want := strings.Contains(strings.Join(test.to, " "), gone); want != (len(bounces) == 1) {
					t.Errorf("%s: Carol got %q", test.name, bounces)
				}
			}
		})
	}
	t.Run("who asks for too much", func(t *testing.T) { s.crowdHTTPS(t) })
	t.Run("what may pass later", func(t *testing.T) { s.laterHTTPS(t, message(carol)) })
	if found := s.script(t, `find /home/vmail /var/spool/postfix /var/lib/nginx -type f -exec zgrep -l '`+marker+`' {} + || true`); found != "" {
		t.Errorf("readable on the disk: %s", found)
	}
}

// crowdHTTPS holds as many messages open as one client may, and more: those are told to
// come again. Nothing of a message that comes slowly is on the disk.
func (s *spelt) crowdHTTPS(t *testing.T) {
	limit := config.Defaults().FiltermailMaxInFlight * 2 / 10
	client := s.httpsClient(false)
	ctx, stop := context.WithCancel(t.Context())
	answers := make(chan int, limit)
	var bodies []*io.PipeWriter
	part := s.carol.sign(t, sealedLarge(t, s.carol.author, 1<<20), nil)[:1<<20]
	for range limit {
		body, slow := io.Pipe()
		bodies = append(bodies, slow)
		go func() {
			status, _ := s.tryPost(ctx, client, delivery{s.carol.author, []string{s.victim.addr}, body})
			answers <- status
		}()
		if _, err := io.WriteString(slow, part); err != nil {
			t.Fatal(err)
		}
	}
	if found := s.script(t, "find /var/lib/nginx -type f"); found != "" {
		t.Errorf("on the disk are %s", found)
	}
	more := delivery{s.carol.author, []string{s.victim.addr}, strings.NewReader(part)}
	if status, _ := s.post(t, client, more); status != http.StatusServiceUnavailable {
		t.Errorf("beside %d others: got %d, want 503", limit, status)
	}
	stop()
	for _, slow := range bodies {
		slow.CloseWithError(context.Canceled)
	}
	for range limit {
		<-answers
	}
	s.waitPost(t, s.carol.sign(t, encryptedFrom(t, s.carol.author), nil))
}

// laterHTTPS stops what is behind: a peer is told to come again, and then can.
func (s *spelt) laterHTTPS(t *testing.T, message string) {
	client := s.httpsClient(false)
	for _, units := range []string{s.relay.PostfixUnit(), "chatmaild-mxdeliv.socket chatmaild-filtermail-in.socket chatmaild-filtermail-in.service"} {
		s.script(t, "systemctl stop %s", units)
		status, body := s.post(t, client, delivery{s.carol.author, []string{s.victim.addr}, strings.NewReader(message)})
		if status < 500 {
			t.Errorf("without %s: got %d %q, want 5xx", units, status, body)
		}
		s.script(t, "systemctl start %s", units)
		s.waitPost(t, message)
	}
}

// waitPost posts a message until it is taken.
func (s *spelt) waitPost(t *testing.T, message string) {
	t.Helper()
	client := s.httpsClient(false)
	until(deadline(t, partTimeout), t, "a message to be taken", func() bool {
		status, _ := s.post(t, client, delivery{s.carol.author, []string{s.victim.addr}, strings.NewReader(message)})
		return status == http.StatusOK
	})
}

// httpsClient is one on Carol's side.
func (s *spelt) httpsClient(http2 bool) *http.Client {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(!http2)
	protocols.SetHTTP2(http2)
	return &http.Client{Transport: &http.Transport{
		Protocols: protocols, TLSClientConfig: network.Insecure(s.relay.Domain),
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			return s.outside.DialContext(ctx, network, address)
		},
	}}
}

func (s *spelt) post(t *testing.T, client *http.Client, d delivery) (status int, body string) {
	t.Helper()
	status, body = s.tryPost(deadline(t, partTimeout), client, d)
	if status == 0 {
		t.Fatal(body)
	}
	return status, body
}

// tryPost returns the answer, or 0 and the error.
func (s *spelt) tryPost(ctx context.Context, client *http.Client, d delivery) (status int, body string) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+s.relay.Domain+"/mxdeliv", d.message)
	if err != nil {
		return 0, err.Error()
	}
	if d.from != "" {
		r.Header.Set("X-MAIL-FROM", d.from)
	}
	r.Header["X-Mail-To"] = d.to
	resp, body, err := do(client, r)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, body
}

// sealedLarge is an encrypted message with size bytes that nobody can decrypt.
func sealedLarge(t *testing.T, from string, size int) string {
	t.Helper()
	data := make([]byte, size)
	rand.Read(data)
	// A version 4 SKESK with AES-256 and a salted S2K, then a version 1 SEIPD: RFC 9580,
	// sections 5.3 and 5.13.
	packets := append([]byte{0xc0 | 3, 13, 4, 9, 3, 8, 1, 2, 3, 4, 5, 6, 7, 8, 96, 0xc0 | 18, 255}, binary.BigEndian.AppendUint32(nil, uint32(size+1))...)
	packets = append(append(packets, 1), data...)
	var armor bytes.Buffer
	for encoded := base64.StdEncoding.EncodeToString(packets); encoded != ""; {
		n := min(76, len(encoded))
		armor.WriteString(encoded[:n] + "\r\n")
		encoded = encoded[n:]
	}
	text := encryptedFrom(t, from)
	before, rest, begun := strings.Cut(text, "-----BEGIN PGP MESSAGE-----\r\n")
	_, after, ended := strings.Cut(rest, "-----END PGP MESSAGE-----")
	if !begun || !ended {
		t.Fatal("the message has no armor")
	}
	return before + "-----BEGIN PGP MESSAGE-----\r\n\r\n" + armor.String() + "-----END PGP MESSAGE-----" + after
}
