package mailfilter_test

import (
	"bufio"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chatmaild/mailfilter"
)

var update = flag.Bool("update", false, "write the fixtures in testdata/mail anew")

const fixtures = "../testdata/mail"

// mailboxes is the relay of the fixtures: which mailboxes accept cleartext, and
// one that cannot be asked. It fails the test that asks for a name that should
// not be looked up.
type mailboxes struct{ t testing.TB }

func (m mailboxes) EnforcesEncryption(addr string) (bool, error) {
	if strings.ContainsAny(addr, "/+\x00 ") || strings.Contains(addr, "..") || addr != strings.ToLower(addr) {
		m.t.Errorf("EnforcesEncryption was asked about %q", addr)
	}
	switch addr {
	case "open@chat.example", "relaxed@chat.example":
		return false, nil
	case "broken@chat.example":
		return false, errors.New("disk on fire")
	}
	return true, nil
}

type noLimit struct{}

func (noLimit) Allow(string) bool { return true }

func policies(t testing.TB) map[string]mailfilter.Policy {
	t.Helper()
	out, err := mailfilter.NewOutgoing(mailfilter.OutgoingOptions{
		Domains:               []string{"chat.example"},
		Limiter:               noLimit{},
		PassthroughSenders:    []string{"robot@chat.example"},
		PassthroughRecipients: []string{"privacy@example.net", "@Open.example"},
	})
	if err != nil {
		t.Fatal(err)
	}
	in := mailfilter.NewIncoming(mailfilter.IncomingOptions{
		Mailboxes: mailboxes{t},
		Domains:   []string{"chat.example"},
	})
	return map[string]mailfilter.Policy{"out": out, "in": in}
}

// verdict runs a message through a policy. It returns "pass", "error", or the
// reason of the refusal; after "pass", "null-sender" if the sender went.
func verdict(p mailfilter.Policy, env mailfilter.Envelope, message []byte) (string, error) {
	r := bufio.NewReader(bytes.NewReader(message))
	h, err := mailfilter.ReadHeader(r)
	if err != nil {
		return reason(err), err
	}
	c, err := p.Check(env, h)
	if err != nil {
		return reason(err), err
	}
	if err := c.Body(r); err != nil {
		return reason(err), err
	}
	if _, err := r.ReadByte(); err == nil {
		return "body not read to its end", nil
	}
	if env.Sender != "" && c.Envelope.Sender == "" {
		return "pass null-sender", nil
	}
	return "pass", nil
}

func reason(err error) string {
	var no *mailfilter.Refusal
	if errors.As(err, &no) {
		return no.Reason.String()
	}
	return "error"
}

// readVerdict parses a .verdict file: the envelope, as far as it is not that of
// a message from Alice to Bob, and what each policy has to say.
func readVerdict(t *testing.T, name string) (env mailfilter.Envelope, want map[string]string) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	env.Sender, want = alice, make(map[string]string)
	for line := range strings.Lines(string(text)) {
		key, value, ok := strings.Cut(strings.TrimSpace(line), ": ")
		switch {
		case !ok:
			t.Fatalf("%s: bad line %q", name, line)
		case key == "sender":
			env.Sender = strings.Trim(value, "<>")
		case key == "recipient":
			env.Recipients = append(env.Recipients, value)
		default:
			want[key] = value
		}
	}
	if env.Recipients == nil {
		env.Recipients = []string{bob}
	}
	return env, want
}

// TestFixtures checks each message of testdata/mail with both policies.
func TestFixtures(t *testing.T) {
	if *update {
		writeFixtures(t)
	}
	names, err := filepath.Glob(fixtures + "/*.eml")
	if err != nil || len(names) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	for _, name := range names {
		base := strings.TrimSuffix(name, ".eml")
		t.Run(filepath.Base(base), func(t *testing.T) {
			message, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			env, want := readVerdict(t, base+".verdict")
			for dir, policy := range policies(t) {
				if got, err := verdict(policy, env, message); got != want[dir] {
					t.Errorf("%s: got %q (%v), want %q", dir, got, err, want[dir])
				}
			}
		})
	}
}

// TestFixturesAreCurrent compares the files with what -update would write.
func TestFixturesAreCurrent(t *testing.T) {
	want := make(map[string]bool)
	for base, files := range fixtureFiles(t) {
		for ext, text := range files {
			name := filepath.Join(fixtures, base+ext)
			want[name] = true
			if got, err := os.ReadFile(name); err != nil || string(got) != text {
				t.Errorf("%s differs from the table; run go test -update (%v)", name, err)
			}
		}
	}
	names, err := filepath.Glob(fixtures + "/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if !want[name] {
			t.Errorf("%s is not in the table", name)
		}
	}
}

func writeFixtures(t *testing.T) {
	t.Helper()
	old, err := filepath.Glob(fixtures + "/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range old {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	for base, files := range fixtureFiles(t) {
		for ext, text := range files {
			if err := os.WriteFile(filepath.Join(fixtures, base+ext), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// fixtureFiles renders the table: base name → extension → text.
func fixtureFiles(t testing.TB) map[string]map[string]string {
	t.Helper()
	s := newSamples(t)
	out := make(map[string]map[string]string)
	for i, family := range []func(samples) []fixture{
		realFixtures, packetFixtures, armorFixtures, partFixtures, headerFixtures, fromFixtures, policyFixtures, setupFixtures,
	} {
		for j, f := range family(s) {
			var v strings.Builder
			if f.sender != "" {
				fmt.Fprintf(&v, "sender: %s\n", f.sender)
			}
			for _, r := range f.recipients {
				fmt.Fprintf(&v, "recipient: %s\n", r)
			}
			fmt.Fprintf(&v, "out: %s\nin: %s\n", f.out, f.in)
			out[fmt.Sprintf("%d%02d-%s", i+1, j+1, f.name)] = map[string]string{
				".eml": f.message, ".why": f.why + "\n", ".verdict": v.String(),
			}
		}
	}
	return out
}
