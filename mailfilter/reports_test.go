package mailfilter_test

import (
	"strings"
	"testing"

	"chatmaild/mailfilter"
	"chatmaild/mailfilter/mailtest"
)

// bounce is how a mail server reports that a message was not delivered: the fields
// that matter, the value of Content-Type, and the body, in which a line of "=" is
// where the delimiter belongs.
type bounce struct{ name, fields, contentType, boundary, body string }

func (b bounce) message(original string) string {
	header, _, _ := strings.Cut(original, "\r\n\r\n")
	body := strings.ReplaceAll(b.body, "\n", "\r\n")
	body = strings.ReplaceAll("\r\n"+body, "\r\n=", "\r\n--"+b.boundary)[len("\r\n"):]
	body = strings.NewReplacer("HEADER", header, "MESSAGE", strings.TrimRight(original, "\r\n")).Replace(body)
	return b.fields + "To: bob@chat.example\r\nDate: Sat, 14 Nov 2026 09:30:00 +0000\r\nSubject: It failed\r\nMIME-Version: 1.0\r\n" +
		"Message-ID: <bounce@example.org>\r\nContent-Type: " + strings.Replace(b.contentType, "BOUNDARY", b.boundary, 1) + "\r\n\r\n" + body
}

func judgeBounce(t *testing.T, text string) (string, error) {
	t.Helper()
	return verdict(policies(t)["in"], mailfilter.Envelope{Recipients: []string{mailtest.Bob}}, []byte(text))
}

// TestReports holds that real bounces come in, of each kind of message that our
// users send.
func TestReports(t *testing.T) {
	s := mailtest.NewSamples(t)
	for name, original := range map[string]string{
		"encrypted": s.Good(), "large": string(s.Sized(300 << 10)), "request": mailtest.SecureJoin,
		"cut off": s.Good()[:len(s.Good())*2/3], "header alone": mailtest.CoreHeader,
	} {
		for _, b := range bounces {
			text := b.message(original)
			if got, err := judgeBounce(t, text); got != mailtest.Pass {
				t.Errorf("%s: %s: got %q, %v", b.name, name, got, err)
			}
			if err := sameReading(text); err != nil {
				t.Errorf("%s: %s: %v", b.name, name, err)
			}
		}
	}
}

// TestReportBound holds how much can be read of a report.
func TestReportBound(t *testing.T) {
	s := mailtest.NewSamples(t)
	b := bounces[0]
	const line = "X-Note: word word word word word word word word word word word word\n"
	for size, want := range map[int]string{mailfilter.MaxHeader / 2: mailtest.Pass, mailfilter.MaxReport: mailtest.Unencrypted} {
		for _, place := range []string{"This is the mail system", "Action: failed", "Return-Path: <bob@chat.example>"} {
			full := b
			full.body = strings.Replace(b.body, place, strings.Repeat(line, size/len(line))+place, 1)
			if got, err := judgeBounce(t, full.message(s.Good())); got != want {
				t.Errorf("%d bytes before %q: got %q, %v, want %q", size, place, got, err, want)
			}
		}
	}
}
