package courier

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"chatmaild/applets/transport/health"
)

// TestDeliver has a message go to all kinds of relays, twice.
func TestDeliver(t *testing.T) {
	both, httpsAlone, literal := &peer{rcpt: anyone}, &peer{}, &peer{}
	both.https, httpsAlone.https, literal.https = both.takes(), httpsAlone.takes(), literal.takes()
	own := &peer{}
	own.https = own.takes()
	wrong := &peer{rcpt: anyone, name: "other.test"}
	wrong.https = wrong.takes()
	gone := func(to string) *smtp.SMTPError {
		if strings.HasPrefix(to, "gone@") {
			return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such user"}
		}
		return nil
	}
	refuses := status(http.StatusBadRequest, "550 5.1.1 no such user")
	peers := map[string]*peer{
		"both.test": both, "https.test": httpsAlone, "_own.test": own, "192.0.2.200": literal,
		"smtp.test":    {rcpt: anyone},
		"madmail.test": {https: status(200, "OK")},
		"web.test":     {rcpt: anyone, https: status(404, "<html>no such page</html>")},
		"small.test":   {rcpt: anyone, https: status(413, "<html>too large</html>")},
		"gone.test":    {rcpt: gone, https: refuses},
		"clear.test":   {https: status(400, "523 Encryption Needed: Invalid Unencrypted Mail")},
		"busy.test":    {https: status(503, "451 4.3.2 later")},
		"wrong.test":   wrong,
		"plain.test":   {rcpt: anyone, plain: true},
		"421.test":     {rcpt: anyone, hello: "421 4.3.2 not now"},
		"554.test":     {rcpt: anyone, hello: "554 5.7.1 go away"},
		"full.test":    {rcpt: anyone, data: &smtp.SMTPError{Code: 552, EnhancedCode: smtp.EnhancedCode{5, 2, 2}, Message: "the mailbox is full"}},
		"greylist.test": {rcpt: func(string) *smtp.SMTPError {
			return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 7, 1}, Message: "later"}
		}},
		"dead.test":   {},
		"backup.test": {rcpt: anyone},
	}
	for _, test := range []struct {
		domain  string
		hosts   string
		to      string
		replies string // of the first, for each recipient
		got     string // by the last host, both times
		asked   string // ports of the first host, both times
		again   string // replies of the second, if they are others
	}{
		{"a.test", "both.test", "x", "250 2.0.0", "https x@a.test; https x@a.test", "443", ""},
		{"a.test", "https.test", "x y", "250 2.0.0,250 2.0.0", "https x@a.test,y@a.test; https x@a.test,y@a.test", "443", ""},
		{"_own.test", "_own.test", "x", "250 2.0.0", "https x@_own.test; https x@_own.test", "443", ""},
		{"[192.0.2.200]", "192.0.2.200", "x", "250 2.0.0", "https x@[192.0.2.200]; https x@[192.0.2.200]", "443", ""},
		{"a.test", "smtp.test", "x", "250 2.0.0", "smtp x@a.test; smtp x@a.test", "443 25", ""},
		{"a.test", "madmail.test", "x y", "250 2.0.0,250 2.0.0", "", "443", ""},
		{"a.test", "web.test", "x", "250 2.0.0", "smtp x@a.test; smtp x@a.test", "443 25", ""},
		{"a.test", "small.test", "x", "250 2.0.0", "smtp x@a.test; smtp x@a.test", "443 25", ""}, // asked again, on the same connection
		{"a.test", "gone.test", "gone", "550 5.1.1", "", "443", ""},
		{"a.test", "gone.test", "x gone y", "250 2.0.0,550 5.1.1,250 2.0.0", "smtp x@a.test,y@a.test; smtp x@a.test,y@a.test", "443 25", ""},
		{"a.test", "clear.test", "x y", "523 0.0.0,523 0.0.0", "", "443 25 25", ""},
		{"a.test", "busy.test", "x", "451 4.3.2", "", "443 25 25", ""},
		{"a.test", "wrong.test", "x", "451 4.4.1", "", "443 25", "resting"},
		{"a.test", "_own.test", "x", "451 4.4.1", "", "443 25", "resting"}, // a name that has to be proven
		{"a.test", "plain.test", "x", "451 4.7.4", "", "443 25", "resting"},
		{"a.test", "421.test", "x", "451 4.4.1", "", "443 25", "resting"},
		{"a.test", "554.test", "x", "451 4.4.1", "", "443 25", "resting"},
		{"a.test", "full.test", "x", "552 5.2.2", "", "443 25", ""},
		{"a.test", "greylist.test", "x", "451 4.7.1", "", "443 25", ""},
		{"a.test", "dead.test", "x", "451 4.4.1", "", "443 25", "resting"},
		{"a.test", "dead.test backup.test", "x", "250 2.0.0", "smtp x@a.test; smtp x@a.test", "443 25", ""},
		{"a.test", "421.test backup.test", "x", "250 2.0.0", "smtp x@a.test; smtp x@a.test", "443 25", ""},
		{"nowhere.test", "", "x", "550 5.4.4", "", "", ""},
	} {
		t.Run(test.domain+" "+test.hosts+" "+test.to, func(t *testing.T) {
			domains, some := map[string][]string{}, map[string]*peer{}
			var first, last *peer
			for i, host := range strings.Fields(test.hosts) {
				domains[test.domain] = append(domains[test.domain], host)
				p := peers[host]
				p.asked, p.got = nil, nil
				some[host], last = p, p
				if i == 0 {
					first = p
				}
			}
			w := newWorld(t, domains, some)
			c, tracker, count := w.courier()
			var recipients []string
			for _, local := range strings.Fields(test.to) {
				recipients = append(recipients, local+"@"+test.domain)
			}
			for i, want := range []string{test.replies, test.again} {
				var got []string
				for _, r := range c.Deliver(t.Context(), test.domain, to(recipients...)) {
					got = append(got, fmt.Sprintf("%d %d.%d.%d", r.Code, r.Status[0], r.Status[1], r.Status[2]))
					if strings.Contains(r.Text, "192.0.2.") {
						t.Errorf("the reply has an address: %q", r.Text)
					}
				}
				resting := want == "resting"
				if want == "" || resting {
					want = test.replies
					if resting {
						want = "451 4.4.1"
					}
				}
				if strings.Join(got, ",") != want {
					t.Errorf("time %d: got %q, want %q", i+1, got, want)
				}
				if (len(tracker.Resting()) > 0) != (test.again == "resting" || strings.Contains(test.hosts, "backup")) {
					t.Errorf("resting: %+v", tracker.Resting())
				}
			}
			if first == nil {
				return
			}
			if last.messages() != test.got {
				t.Errorf("it got %q, want %q", last.messages(), test.got)
			}
			if first.ports() != test.asked {
				t.Errorf("connections: %q, want %q", first.ports(), test.asked)
			}
			accepted := 2 * strings.Count(test.replies, "250 ")
			if n := count.delivered[HTTPS] + count.delivered[SMTP]; n != accepted {
				t.Errorf("counted %v, want %d", count.delivered, accepted)
			}
		})
	}
}

// TestSMTPOnly has a hidden relay deliver to one that would take it by HTTPS.
func TestSMTPOnly(t *testing.T) {
	both := &peer{rcpt: anyone}
	both.https = both.takes()
	w := newWorld(t, map[string][]string{"a.test": {"both.test"}}, map[string]*peer{"both.test": both})
	o := w.options(&health.Tracker{Now: time.Now}, &counter{delivered: map[Way]int{}})
	o.SMTPOnly = true
	replies := New(o).Deliver(t.Context(), "a.test", to("x@a.test"))
	if len(replies) != 1 || replies[0].Code != 250 || both.messages() != "smtp x@a.test" || both.ports() != "25" {
		t.Errorf("got %+v; it got %q at ports %s, want one by SMTP at 25", replies, both.messages(), both.ports())
	}
}

// TestPermanent has the DNS lead to no other machine. Each message is refused for good: it is
// not that a host did not answer, and those after our own are not asked.
func TestPermanent(t *testing.T) {
	backup := &peer{rcpt: anyone}
	w := newWorld(t, map[string][]string{"a.test": {"ours.test", "backup.test"}, "b.test": {"missing.test"}}, map[string]*peer{"backup.test": backup})
	w.names["ours.test."] = netip.MustParseAddr("192.0.2.200")
	c, tracker, _ := w.courier()
	for domain, want := range map[string]string{
		"a.test": "550 5.4.6", "ours.test": "550 5.4.6", "[192.0.2.200]": "550 5.4.6", "b.test": "550 5.4.4",
	} {
		for range 2 {
			r := c.Deliver(t.Context(), domain, to("x@"+domain))[0]
			if got := fmt.Sprintf("%d %d.%d.%d", r.Code, r.Status[0], r.Status[1], r.Status[2]); got != want || strings.Contains(r.Text, "192.0.2.") {
				t.Errorf("%s: got %s %q, want %s", domain, got, r.Text, want)
			}
		}
	}
	if backup.ports() != "" || len(tracker.Resting()) > 0 {
		t.Errorf("the backup was asked at %q, resting are %+v", backup.ports(), tracker.Resting())
	}
}

// TestRetry has a host that rests, and that took no messages by HTTPS, be tried at once.
func TestRetry(t *testing.T) {
	var asked atomic.Int32 // by HTTPS
	p := &peer{https: func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.WriteHeader(http.StatusNotFound)
	}}
	w := newWorld(t, map[string][]string{"a.test": {"mx.test"}}, map[string]*peer{"mx.test": p})
	c, tracker, _ := w.courier()
	for range 2 {
		if r := c.Deliver(t.Context(), "a.test", to("x@a.test"))[0]; r.Code != 451 {
			t.Fatalf("got %+v", r)
		}
	}
	if got := tracker.Resting(); len(got) != 1 || asked.Load() != 1 {
		t.Fatalf("resting are %+v, it was asked %d times", got, asked.Load())
	}
	if r, ok := c.Resting("a.test"); !ok || r.Code != 451 || !strings.Contains(r.Text, "has not answered since") {
		t.Errorf("while it rests: %+v, %v", r, ok)
	}
	if got := c.Retry(t.Context(), "A.test"); !slices.Equal(got, []string{"mx.test"}) {
		t.Errorf("retried %q", got)
	}
	for _, domain := range []string{"a.test", "never.test"} {
		if r, ok := c.Resting(domain); ok {
			t.Errorf("%s: %+v", domain, r)
		}
	}
	c.Deliver(t.Context(), "a.test", to("x@a.test"))
	if asked.Load() != 2 {
		t.Errorf("it was asked %d times, want 2", asked.Load())
	}
	if got := c.Retry(t.Context(), "nowhere.test"); got != nil {
		t.Errorf("a domain without a host: %q", got)
	}
}

// TestCrowd has many messages go to one host at once: all arrive, over few connections.
func TestCrowd(t *testing.T) {
	for name, p := range map[string]*peer{"https": {}, "smtp": {rcpt: anyone}} {
		t.Run(name, func(t *testing.T) {
			if name == "https" {
				p.https = p.takes()
			}
			w := newWorld(t, map[string][]string{"a.test": {"mx.test"}}, map[string]*peer{"mx.test": p})
			c, _, count := w.courier()
			const messages = 100
			failed := make(chan string, messages)
			for range messages {
				go func() {
					said := ""
					if r := c.Deliver(t.Context(), "a.test", to("x@a.test"))[0]; !r.Accepted() {
						said = fmt.Sprint(r)
					}
					failed <- said
				}()
			}
			for range messages {
				if said := <-failed; said != "" {
					t.Error(said)
				}
			}
			if got := count.delivered[Way(name)]; got != messages {
				t.Errorf("%d were delivered by %s, want %d", got, name, messages)
			}
		})
	}
}
