package lab

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const federatedFile = 1 << 20

// A federation is two relays that know of each other by the DNS alone, and one
// client on each.
type federation struct {
	lab        *Lab
	a, b       *Relay
	alice, bob *Profile
	pair       pair // Bob and Alice
}

// TestFederation is the proof that relays trust each other, and nobody else who
// says to be one.
func TestFederation(t *testing.T) {
	f := &federation{}
	var deb string
	f.lab, deb = newLab(t)
	for domain, relay := range map[string]**Relay{"_a.test": &f.a, "_b.test": &f.b} {
		var err error
		*relay, err = f.lab.StartRelay(t.Context(), domain, deb)
		diagnose(t, *relay)
		if err != nil {
			t.Fatal(err)
		}
	}
	f.alice = startProfile(t, f.lab, "alice", f.a.SignUpQR())
	f.bob = startProfile(t, f.lab, "bob", f.b.SignUpQR())
	for _, step := range []struct {
		name string
		do   func(*federation, *testing.T)
	}{
		{"scan a QR code", (*federation).scan},
		{"conversation", (*federation).converse},
		{"nobody there", (*federation).nobody},
		{"gone meanwhile", (*federation).gone},
		{"OpenDKIM agrees", (*federation).openDKIM},
		{"we agree with OpenDKIM", (*federation).signs},
		{"strangers", (*federation).strangers},
		{"strangers at the door", (*federation).door},
		{"DNS out of order", (*federation).withoutDNS},
		{"an address for a name", (*federation).literal},
		{"text after all that", func(f *federation, t *testing.T) { f.pair.text(t) }},
	} {
		if !t.Run(step.name, func(t *testing.T) { step.do(f, t) }) {
			break
		}
	}
}

func (f *federation) scan(t *testing.T) { f.pair = join(t, f.bob, f.alice) }

func (f *federation) converse(t *testing.T) { f.pair.converse(t) }

// encryptedFrom returns an encrypted message as if from an address.
func encryptedFrom(t *testing.T, from string) string {
	t.Helper()
	root, err := ModuleDir()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "testdata", "mail", "101-delta-chat.eml"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "\r\n") // its From
	return fmt.Sprintf("From: <%s>\r\n%s", from, rest)
}
