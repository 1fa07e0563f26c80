package lab

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"chatmaild/mailfilter/mailtest"
	"chatmaild/testdata/lab/core"
)

const federatedFile = 5 << 20

// A federation is two relays that know of each other by the DNS alone, and one
// client on each.
type federation struct {
	lab        *Lab
	a, b       *Relay
	alice, bob *core.Profile
	pair       pair // Bob and Alice
}

// TestFederation is the proof that relays trust each other, and nobody else who
// says to be one.
func TestFederation(t *testing.T) {
	t.Parallel()
	l, deb := newLab(t)
	f := &federation{lab: l, a: startRelayIn(t, l, deb, "_a.test"), b: startRelayIn(t, l, deb, "_b.test")}
	f.alice = startProfile(t, f.lab, "alice", f.a.SignUpQR())
	f.bob = startProfile(t, f.lab, "bob", f.b.SignUpQR())
	inTurn(t, f, []step[*federation]{
		{"scan a QR code", (*federation).scan},
		{"conversation", (*federation).converse},
		{"nobody there", (*federation).nobody},
		{"gone meanwhile", (*federation).gone},
		{"OpenDKIM agrees", (*federation).openDKIM},
		{"we agree with OpenDKIM", (*federation).signs},
		{"strangers", (*federation).strangers},
		{"strangers by IPv6", (*federation).byIPv6},
		{"strangers' keys", (*federation).strangersKeys},
		{"strangers at the door", (*federation).door},
		{"DNS out of order", (*federation).withoutDNS},
		{"an address for a name", (*federation).literal},
		{"an open connection breaks, after all that", (*federation).breaks},
	})
}

func (f *federation) scan(t *testing.T) { f.pair = join(t, f.bob, f.alice) }

func (f *federation) converse(t *testing.T) { f.pair.converse(t) }

// breaks closes the connection that Bob's relay keeps to Alice's after a message: the next
// one takes a new connection, and does not wait for a retry.
func (f *federation) breaks(t *testing.T) {
	ctx := deadline(t, stepTimeout)
	since := fmt.Sprintf("--since=@%d", time.Now().Unix())
	const open = "ss --no-header --numeric --tcp state established '( dport = :443 )' | wc -l"
	say(t, f.bob, f.pair.ab, f.alice, "a connection is open")
	if out, err := f.b.Script(ctx, open); err != nil || strings.TrimSpace(out) == "0" {
		t.Fatalf("Bob's relay has %q connections to Alice's, %v", out, err)
	}
	if _, err := f.a.Run(ctx, "systemctl", "restart", "nginx"); err != nil {
		t.Fatal(err)
	}
	say(t, f.bob, f.pair.ab, f.alice, "the connection is closed")
	log, err := f.b.Run(ctx, "journalctl", since, "--identifier", "postfix/outward/lmtp", "--output", "cat")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(log), "status=deferred") {
		t.Error("a message waited")
	}
}

// encrypted is made once: its keys take a while.
var encrypted struct {
	once sync.Once
	mail string
}

// encryptedFrom returns an encrypted message as if from an address.
func encryptedFrom(t *testing.T, from string) string {
	t.Helper()
	encrypted.once.Do(func() { encrypted.mail = mailtest.NewSamples(t).Good() })
	return by(from, encrypted.mail)
}

// by returns a message of mailtest's as if from an address.
func by(from, mail string) string {
	_, rest, _ := strings.Cut(mail, "\r\n") // its From
	return fmt.Sprintf("From: <%s>\r\n%s", from, rest)
}
