package mailfilter_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"chatmaild/mailfilter"
	"chatmaild/mailfilter/mailtest"
)

var errLine = errors.New("line is down")

// broken ends with errLine instead of EOF.
func broken(text string) io.Reader {
	return io.MultiReader(strings.NewReader(text), iotest.ErrReader(errLine))
}

func TestReadHeaderKeepsBytes(t *testing.T) {
	for _, tt := range []struct{ text, raw string }{
		{"From: a@b\r\nSubject:  x\t\r\n  y\r\n\r\nbody\r\n", "From: a@b\r\nSubject:  x\t\r\n  y\r\n\r\n"},
		{"From: a@b\r\n", "From: a@b\r\n"},
		{"\r\nbody\r\n", "\r\n"},
		{"", ""},
	} {
		r := bufio.NewReaderSize(strings.NewReader(tt.text), 16)
		h, err := mailfilter.ReadHeader(r)
		if err != nil {
			t.Fatalf("%q: %v", tt.text, err)
		}
		if got := string(h.Raw()); got != tt.raw {
			t.Errorf("%q: raw %q, want %q", tt.text, got, tt.raw)
		}
		if rest, _ := io.ReadAll(r); string(rest) != tt.text[len(tt.raw):] {
			t.Errorf("%q: %q left", tt.text, rest)
		}
	}
}

func TestReadHeaderBound(t *testing.T) {
	line := "X-Filler: " + strings.Repeat("x", 1012) + "\r\n" // 1 KiB
	fits := strings.Repeat(line, mailfilter.MaxHeader/1024-1)
	fits += "X: " + strings.Repeat("x", mailfilter.MaxHeader-len(fits)-len("X: \r\n\r\n")) + "\r\n\r\n"
	if len(fits) != mailfilter.MaxHeader {
		t.Fatalf("%d bytes", len(fits))
	}
	if _, err := mailfilter.ReadHeader(bufio.NewReader(strings.NewReader(fits))); err != nil {
		t.Errorf("largest header: %v", err)
	}
	endless := &counter{r: strings.NewReader(strings.Repeat("x", 4*mailfilter.MaxHeader))}
	_, err := mailfilter.ReadHeader(bufio.NewReader(endless))
	if got := reason(err); got != "bad-header" {
		t.Errorf("endless line: %v", err)
	}
	if endless.n > mailfilter.MaxHeader+8<<10 {
		t.Errorf("endless line: %d bytes read", endless.n)
	}
}

// counter counts what is read.
type counter struct {
	r io.Reader
	n int
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += n
	return n, err
}

// TestReadErrors: a failing reader is not a verdict, wherever it fails.
func TestReadErrors(t *testing.T) {
	good, open := mailtest.NewSamples(t).Good(), []string{"open@chat.example"}
	for dir, policy := range policies(t) {
		for cut := range len(good) {
			env := mailfilter.Envelope{Sender: mailtest.Alice, Recipients: []string{mailtest.Bob}}
			r := bufio.NewReader(broken(good[:cut]))
			h, err := mailfilter.ReadHeader(r)
			if err == nil {
				c, checkErr := policy.Check(env, h)
				if checkErr != nil {
					t.Fatal(checkErr)
				}
				err = c.Body(r)
			}
			if !errors.Is(err, errLine) {
				t.Fatalf("%s: cut at %d: %v, want %v", dir, cut, err, errLine)
			}
		}
	}
	r := bufio.NewReader(broken(mailtest.Plain))
	h, err := mailfilter.ReadHeader(r)
	if err != nil {
		t.Fatal(err)
	}
	c, err := policies(t)["in"].Check(mailfilter.Envelope{Recipients: open}, h)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Body(r); !errors.Is(err, errLine) {
		t.Errorf("cleartext: %v, want %v", err, errLine)
	}
}

// TestTruncated: no beginning of a good message passes.
func TestTruncated(t *testing.T) {
	good := mailtest.NewSamples(t).Good()
	end := strings.LastIndex(good, "--\r\n") + len("--\r\n")
	for dir, policy := range policies(t) {
		for cut := range end {
			env := mailfilter.Envelope{Sender: mailtest.Alice, Recipients: []string{mailtest.Bob}}
			if got, _ := verdict(policy, env, []byte(good[:cut])); strings.HasPrefix(got, mailtest.Pass) {
				t.Fatalf("%s: %d of %d bytes pass", dir, cut, end)
			}
		}
	}
}

// TestBitFlips changes each bit of the body, but for the middle of the data.
// What still passes must still be encrypted for other readers.
func TestBitFlips(t *testing.T) {
	good := []byte(mailtest.NewSamples(t).Good())
	env := mailfilter.Envelope{Sender: mailtest.Alice, Recipients: []string{mailtest.Bob}}
	out := policies(t)["out"]
	for i := bytes.Index(good, []byte("\r\n\r\n")); i < len(good); i++ {
		if middle := len(good) - 300; i > len(mailtest.CoreHeader)+600 && i < middle {
			i = middle
		}
		for bit := range 8 {
			flipped := bytes.Clone(good)
			flipped[i] ^= 1 << bit
			if got, _ := verdict(out, env, flipped); got != mailtest.Pass {
				continue
			}
			if err := sameReading(string(flipped)); err != nil {
				t.Errorf("byte %d, bit %d: passed, but %v", i, bit, err)
			}
		}
	}
}

// TestMemory: what a verdict allocates does not depend on the message's size.
func TestMemory(t *testing.T) {
	s := mailtest.NewSamples(t)
	policy := policies(t)["out"]
	env := mailfilter.Envelope{Sender: mailtest.Alice, Recipients: []string{mailtest.Bob}}
	allocs := func(size int) float64 {
		message := s.Sized(size)
		return testing.AllocsPerRun(20, func() {
			if got, err := verdict(policy, env, message); got != mailtest.Pass {
				t.Fatal(err)
			}
		})
	}
	small, large := allocs(2<<10), allocs(8<<20)
	if large > small+2 {
		t.Errorf("%v allocations for 8 MiB, %v for 2 KiB", large, small)
	}
}

func TestConcurrentUse(t *testing.T) {
	s := mailtest.NewSamples(t)
	good, bad := []byte(s.Good()), []byte(s.Literal())
	env := mailfilter.Envelope{Sender: mailtest.Alice, Recipients: []string{mailtest.Bob}}
	all := policies(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				for dir, policy := range all {
					if got, err := verdict(policy, env, good); got != mailtest.Pass {
						t.Errorf("%s: good: %v", dir, err)
					}
					if got, _ := verdict(policy, env, bad); got != mailtest.Unencrypted {
						t.Errorf("%s: bad: %v", dir, got)
					}
				}
			}
		})
	}
	wg.Wait()
}

// names is a limiter that knows one who is too fast, and keeps who was asked.
type names struct{ asked []string }

func (n *names) Allow(sender string) bool {
	n.asked = append(n.asked, sender)
	return sender != "fast@chat.example"
}

func TestAdmit(t *testing.T) {
	limiter := new(names)
	out, err := mailfilter.NewOutgoing(mailfilter.OutgoingOptions{
		Domains:            []string{"chat.example"},
		Limiter:            limiter,
		PassthroughSenders: []string{"fast@chat.example"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := out.Admit("Slow@chat.example"); err != nil {
		t.Errorf("slow: %v", err)
	}
	err = out.Admit("Fast@Chat.example")
	var no *mailfilter.Refusal
	if !errors.As(err, &no) || no.Reason != mailfilter.RateLimited || no.Sender != "Fast@Chat.example" {
		t.Errorf("fast: %#v", err)
	}
	if got, want := strings.Join(limiter.asked, " "), "slow@chat.example fast@chat.example"; got != want {
		t.Errorf("asked for %q, want %q", got, want)
	}
}

// TestAdmitSpellings holds that all spellings of a sender have one allowance, and which
// senders there are.
func TestAdmitSpellings(t *testing.T) {
	for _, tt := range []struct{ sender, out, in string }{
		{"fast@chat.example", "rate-limited", ""},
		{"FAST@Chat.Example", "rate-limited", ""},
		{"fast+a+b@chat.example", "rate-limited", ""},
		{"fast+@chat.example", "bad-sender", "bad-sender"},
		{"fast%chat.example@chat.example", "bad-sender", "bad-sender"},
		{"chat.example!fast@chat.example", "bad-sender", "bad-sender"},
		{"\"fast\"@chat.example", "bad-sender", "bad-sender"},
		{"fa\u017ft@chat.example", "bad-sender", "bad-sender"}, // the long s, whose upper case is S
		{"fast@chat.example.", "bad-sender", "bad-sender"},
		{"fast", "bad-sender", "bad-sender"},
		{"carol@example.org", "bad-sender", ""},
		{"\"Carol C.\"@example.org", "bad-sender", ""},
		{"srs0=a/b=c=example.net=" + strings.Repeat("x", 64) + "@example.org", "bad-sender", ""},
		{"", "", ""},
	} {
		out, err := mailfilter.NewOutgoing(mailfilter.OutgoingOptions{Domains: []string{"chat.example"}, Limiter: new(names)})
		if err != nil {
			t.Fatal(err)
		}
		for dir, p := range map[string]mailfilter.Policy{"out": out, "in": policies(t)["in"]} {
			want := map[string]string{"out": tt.out, "in": tt.in}[dir]
			got := ""
			if err := p.Admit(tt.sender); err != nil {
				got = reason(err)
			}
			if got != want {
				t.Errorf("%s %q: got %q, want %q", dir, tt.sender, got, want)
			}
		}
	}
}

func TestRefusal(t *testing.T) {
	s := mailtest.NewSamples(t)
	mismatch := s.Edit(s.Good(), "<alice@chat.example>", "<Carol@chat.example>")
	_, err := verdict(policies(t)["out"], mailfilter.Envelope{Sender: mailtest.Alice, Recipients: []string{mailtest.Bob}}, []byte(mismatch))
	var no *mailfilter.Refusal
	if !errors.As(err, &no) {
		t.Fatal(err)
	}
	if no.From != "carol@chat.example" || no.Sender != mailtest.Alice {
		t.Errorf("From %q, sender %q", no.From, no.Sender)
	}
	if strings.Contains(err.Error(), "carol") || !strings.Contains(err.Error(), "from-mismatch") {
		t.Errorf("error text %q", err)
	}
	for _, r := range mailfilter.Reasons() {
		if r.String() == "unknown" {
			t.Errorf("reason %d has no name", r)
		}
	}
	if got := mailfilter.Reason(0).String(); got != "unknown" {
		t.Errorf("reason 0 is %q", got)
	}
}

func TestCheckForDKIM(t *testing.T) {
	s := mailtest.NewSamples(t)
	message := s.Edit(s.Good(), "<alice@chat.example>", "<Alice@Chat.Example>")
	r := bufio.NewReader(strings.NewReader(message))
	h, err := mailfilter.ReadHeader(r)
	if err != nil {
		t.Fatal(err)
	}
	c, err := policies(t)["in"].Check(mailfilter.Envelope{Recipients: []string{mailtest.Bob}}, h)
	if err != nil {
		t.Fatal(err)
	}
	if c.FromDomain != "chat.example" {
		t.Errorf("domain %q", c.FromDomain)
	}
	// A verifier reads the body beside the check.
	var body bytes.Buffer
	if err := c.Body(io.TeeReader(r, &body)); err != nil {
		t.Fatal(err)
	}
	if got := string(h.Raw()) + body.String(); got != message {
		t.Errorf("header and body are not the message")
	}
}
