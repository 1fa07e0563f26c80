package retry

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"chatmaild/packaging/postfix/queue"
)

// A look is what Postfix lists, "QUEUE ID DOMAIN", some seconds after the look before,
// and what has to come of it.
type look struct {
	after   int // seconds
	list    []string
	answers bool // name servers
	try     string
	domain  string
}

const noName = "deferred %s other.test (Host or domain name not found. Name service error for name=other.test type=MX: Host not found, try again)"

func TestRetry(t *testing.T) {
	nowhere := func(id string) string { return fmt.Sprintf(noName, id) }
	for _, test := range []struct {
		name  string
		looks []look
	}{
		{"the queue is empty", []look{{3, nil, false, "", ""}, {3, []string{"active a x.test", "incoming b x.test"}, false, "", ""}}},
		{"one is tried, then all", []look{
			{3, []string{"deferred a x.test", "deferred b X.test", "deferred c x.test"}, false, "a", ""},
			{3, []string{"deferred a x.test", "deferred b x.test", "deferred c x.test"}, false, "a", ""},
			{3, []string{"active a x.test", "deferred b x.test", "deferred c x.test"}, false, "", ""},
			{3, []string{"deferred b x.test", "deferred c x.test"}, false, "b c", ""},
			{3, []string{"active b x.test"}, false, "", ""},
			{3, nil, false, "", ""},
		}},
		{"several recipients are one message", []look{
			{3, []string{"deferred a x.test", "deferred a x.test", "deferred a other.test", "deferred b x.test"}, false, "a", ""},
			{3, []string{"deferred b x.test", "deferred b x.test"}, false, "b", ""},
		}},
		{"what is tried and waits again waits longer", []look{
			{3, []string{"deferred a x.test", "deferred b x.test", "deferred c x.test"}, false, "a", ""},
			{3, []string{"deferred b x.test", "deferred c x.test"}, false, "b c", ""},
			{3, []string{"deferred c x.test", "deferred d x.test"}, false, "c", ""}, // and no other for ten seconds
			{3, []string{"deferred d x.test"}, false, "d", ""},
			{3, []string{"deferred d x.test", "deferred e x.test"}, false, "d", ""},
			{5, []string{"deferred e x.test", "deferred f x.test"}, false, "e f", ""},
		}},
		{"other servers, and what is held, are left alone", []look{
			{3, []string{"deferred a other.test (connect to other.test: Connection refused)", "hold b x.test", "maildrop c x.test"}, true, "", ""},
		}},
		{"names: nobody answers, then all are tried", []look{
			{3, []string{nowhere("a"), nowhere("b")}, false, "", "other.test"},
			{3, []string{nowhere("a"), nowhere("b")}, true, "a b", "other.test"},
			{3, []string{"active a other.test"}, false, "", ""},
			{3, nil, false, "", ""},
			{3, []string{nowhere("c")}, true, "c", "other.test"},
			{3, []string{nowhere("c")}, true, "", "other.test"}, // in vain
			{9, []string{nowhere("c")}, true, "", "other.test"},
			{1, []string{nowhere("c")}, true, "c", "other.test"},
			{3, []string{nowhere("c")}, true, "", "other.test"},
			{17, []string{nowhere("c")}, true, "", "other.test"}, // twice as long
			{3, []string{nowhere("c")}, true, "c", "other.test"},
			{3, nil, false, "", ""},
			{3, []string{nowhere("d")}, true, "d", "other.test"}, // the former went
		}},
	} {
		r := New("x.test", func(int) int { return 0 })
		now := time.Unix(1e9, 0)
		for i, l := range test.looks {
			now = now.Add(time.Duration(l.after) * time.Second)
			r.Begin()
			for _, line := range l.list {
				words := strings.SplitN(line, " ", 4)
				w := queue.Waiting{Queue: words[0], ID: words[1], Domain: words[2]}
				if len(words) > 3 {
					w.Reason = words[3]
				}
				r.See(w)
			}
			try, domain := r.End(now)
			if l.answers && domain != "" {
				try = append(try, r.Resolved(now)...)
			}
			if got := strings.Join(try, " "); got != l.try || domain != l.domain {
				t.Errorf("%s, look %d: got %q and %q, want %q and %q", test.name, i+1, got, domain, l.try, l.domain)
			}
		}
	}
}

// TestRetryAlone has a message whose mailbox alone is at fault: it is tried with each
// look at first, then once a minute.
func TestRetryAlone(t *testing.T) {
	r := New("x.test", func(int) int { return 0 })
	tries := 0
	for at := range 600 / 3 {
		r.Begin()
		r.See(queue.Waiting{Queue: "deferred", ID: "a", Domain: "x.test", Reason: "said: 451"})
		try, _ := r.End(time.Unix(int64(at)*3, 0))
		tries += len(try)
	}
	// Ten in the first half minute; 27 s to 600 s hold nine whole minutes.
	if want := aloneTries + 9; tries != want {
		t.Errorf("tried %d times within ten minutes, want %d", tries, want)
	}
}

// TestRetryBound has more wait than a look takes notice of: the rest is not forgotten.
func TestRetryBound(t *testing.T) {
	r := New("x.test", func(n int) int { return n - 1 })
	left := map[string]bool{}
	for i := range 2*maxBacklog + 7 {
		left[fmt.Sprintf("%05d", i)] = true
	}
	now := time.Unix(1e9, 0)
	for looks := 0; len(left) > 0; looks++ {
		if looks == 10 {
			t.Fatalf("after %d looks %d messages wait", looks, len(left))
		}
		r.Begin()
		for id := range left {
			r.See(queue.Waiting{Queue: "deferred", ID: id, Domain: "x.test", Reason: ""})
		}
		now = now.Add(3 * time.Second)
		try, _ := r.End(now)
		if len(try) > maxBacklog {
			t.Fatalf("%d messages at once, want at most %d", len(try), maxBacklog)
		}
		for _, id := range try {
			delete(left, id)
		}
	}
}
