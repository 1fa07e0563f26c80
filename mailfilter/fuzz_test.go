package mailfilter_test

import (
	"bufio"
	"bytes"
	"io"
	"mime"
	"net/mail"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"

	"chatmaild/mailfilter"
	"chatmaild/mailfilter/mailtest"
)

func addFixtures(f *testing.F, add func(message []byte)) {
	for _, fixture := range mailtest.Fixtures(f) {
		if len(fixture.Message) < 64<<10 {
			add([]byte(fixture.Message))
		}
	}
}

// FuzzMessage has whole messages checked: the verdict must not depend on how the
// bytes come in, and other readers must see the same; see FuzzReaders.
func FuzzMessage(f *testing.F) {
	addFixtures(f, func(text []byte) { f.Add(text) })
	f.Fuzz(func(t *testing.T, text []byte) {
		for dir, policy := range policies(t) {
			for _, env := range envelopes {
				got, err := verdict(policy, env, text)
				h, bodyErr := inPieces(policy, env, text)
				if (bodyErr == nil) != strings.HasPrefix(got, mailtest.Pass) {
					t.Fatalf("%s: %q (%v) at once, %v in pieces", dir, got, err, bodyErr)
				}
				if !strings.HasPrefix(got, mailtest.Pass) {
					continue
				}
				if !bytes.HasPrefix(text, h.Raw()) {
					t.Errorf("%s: header changed", dir)
				}
				if err := sameReading(string(text)); err != nil {
					t.Errorf("%s: passed, but %v", dir, err)
				}
			}
		}
	})
}

// inPieces checks a message that comes in one byte at a time.
func inPieces(p mailfilter.Policy, env mailfilter.Envelope, text []byte) (*mailfilter.Header, error) {
	r := bufio.NewReaderSize(iotest.OneByteReader(bytes.NewReader(text)), 16)
	h, err := mailfilter.ReadHeader(r)
	if err != nil {
		return nil, err
	}
	c, err := p.Check(env, h)
	if err != nil {
		return h, err
	}
	return h, c.Body(iotest.OneByteReader(r))
}

// emptyWord is an encoded word (RFC 2047) of nothing, which is not a word to net/mail.
var emptyWord = regexp.MustCompile(`=\?[^? ]+\?[BbQq]\?\?=`)

// FuzzFrom compares who the author is with what net/mail says.
func FuzzFrom(f *testing.F) {
	addFixtures(f, func(text []byte) {
		if m, err := mail.ReadMessage(bytes.NewReader(text)); err == nil {
			f.Add(m.Header.Get("From"))
		}
	})
	policy := policies(f)["in"]
	parser := mail.AddressParser{WordDecoder: &mime.WordDecoder{
		CharsetReader: func(_ string, r io.Reader) (io.Reader, error) { return r, nil },
	}}
	f.Fuzz(func(t *testing.T, from string) {
		text := "From: " + from + "\r\nAuto-Submitted: auto-replied\r\nContent-Type: multipart/report\r\n\r\n"
		h, err := mailfilter.ReadHeader(bufio.NewReader(strings.NewReader(text)))
		if err != nil {
			return
		}
		c, err := policy.Check(mailfilter.Envelope{Recipients: []string{"open@chat.example"}}, h)
		if err != nil {
			return
		}
		line := strings.ReplaceAll(from, "\r\n", "")
		// A name that is the address once more is nothing to net/mail.
		if at := strings.LastIndexByte(line, '<'); at > 0 && strings.EqualFold("<"+strings.Trim(line[:at], " \t")+">", strings.TrimRight(line[at:], " \t")) {
			line = line[at:]
		}
		list, err := parser.ParseList(emptyWord.ReplaceAllString(line, "word"))
		if err != nil {
			t.Fatalf("accepted, but net/mail: %v", err)
		}
		if len(list) != 1 {
			t.Fatalf("accepted, but %d addresses", len(list))
		}
		_, domain, _ := strings.Cut(list[0].Address, "@")
		if !strings.EqualFold(domain, c.FromDomain) {
			t.Errorf("domain %q, net/mail %q", c.FromDomain, domain)
		}
	})
}
