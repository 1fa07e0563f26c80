package postgres

import (
	"maps"
	"net/netip"
	"slices"
	"testing"
	"time"

	"chatmaild/applets/config"
	"chatmaild/store/directory"
)

func openInvites(t *testing.T, writer *instance) *Invites {
	t.Helper()
	i, err := OpenInvites(Options{Writer: writer.Address("writing"), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	i.writer.waits(patience)
	t.Cleanup(i.Close)
	return i
}

// testMembers changes the list of machines; a copy has it, too.
func testMembers(t *testing.T, writer, standby *instance) {
	a, c, e := config.Member{Name: "a", Addr: netip.MustParseAddr("10.7.0.1")}, config.Member{Name: "c", Addr: netip.MustParseAddr("10.7.0.3")},
		config.Member{Name: "e", Addr: netip.MustParseAddr("fd07::5")}
	if got, err := Members(t.Context(), writer.Address("reading")); len(got) != 0 || err != nil {
		t.Errorf("before: %v, %v", got, err)
	}
	joining := e
	joining.Joining = true
	for _, want := range [][]config.Member{{a}, {a, joining}, {a, e}, {a, c, e}, {a, c}} {
		if err := SetMembers(t.Context(), writer.Address("owner"), want); err != nil {
			t.Fatal(err)
		}
		if got, err := Members(t.Context(), writer.Address("reading")); !slices.Equal(got, want) || err != nil {
			t.Errorf("got %v, %v, want %v", got, err, want)
		}
	}
	lost := config.Member{Name: "d", Addr: netip.MustParseAddr("10.7.0.4")}
	if err := SetMembers(t.Context(), writer.Address("owner"), []config.Member{a, c, lost}); err != nil {
		t.Fatal(err)
	}
	if err := Abandon(t.Context(), writer.Address("owner"), "d", "former"); err != nil {
		t.Fatal(err)
	}
	lost.Lost = true
	if got, err := Members(t.Context(), writer.Address("reading")); !slices.Equal(got, []config.Member{a, c, lost}) || err != nil {
		t.Errorf("d is given up: got %v, %v", got, err)
	}
	if all, err := MachinesOf(t.Context(), writer.Address("reading")); !slices.Contains(all, directory.Machine{Name: "former", Standing: directory.Lost}) || err != nil {
		t.Errorf("got %v, %v", all, err)
	}
	peer := Peer{c, "key", "192.0.2.3:51821"}
	if err := SetPeer(t.Context(), writer.Address("owner"), peer); err != nil {
		t.Error(err)
	}
	if err := SetMembers(t.Context(), writer.Address("owner"), []config.Member{a, c}); err != nil {
		t.Error(err)
	}
	if got, err := Peers(t.Context(), writer.Address("reading")); !slices.Equal(got, []Peer{peer}) || err != nil {
		t.Errorf("got %v, %v", got, err)
	}
	if err := SetMembers(t.Context(), writer.Address("owner"), nil); err == nil {
		t.Error("a relay has no machine left")
	}
	if err := SetMembers(t.Context(), writer.Address("writing"), []config.Member{e}); err == nil {
		t.Error("who may change rows chooses the machines")
	}
	standby.Await("SELECT FROM members HAVING count(*) = 2")
}

func testSettings(t *testing.T, writer *instance) {
	for _, step := range []struct {
		name, value string
		want        map[string]string
	}{
		{"nocreate", "on", map[string]string{"nocreate": "on"}},
		{"mail it's.test", "hold", map[string]string{"nocreate": "on", "mail it's.test": "hold"}},
		{"mail it's.test", "discard", map[string]string{"nocreate": "on", "mail it's.test": "discard"}},
		{"nocreate", "", map[string]string{"mail it's.test": "discard"}},
		{"nocreate", "", map[string]string{"mail it's.test": "discard"}},
	} {
		if err := Set(t.Context(), writer.Address("writing"), step.name, step.value); err != nil {
			t.Fatal(err)
		}
		if got, err := Settings(t.Context(), writer.Address("reading")); !maps.Equal(got, step.want) || err != nil {
			t.Errorf("%s = %q: got %v, %v", step.name, step.value, got, err)
		}
	}
}

// testCertificates: what the machine of the writer gets, the others have; and they cannot
// change it.
func testCertificates(t *testing.T, writer, standby *instance) {
	open := func(s *instance, role string) *Certificates {
		c, err := OpenCertificates(s.Address(role), "chat.example")
		if err != nil {
			t.Fatal(err)
		}
		c.server.waits(patience)
		t.Cleanup(c.Close)
		return c
	}
	a, b := open(writer, "certifying"), open(standby, "certifying")
	for c, want := range map[*Certificates]bool{a: true, b: false} {
		if orders, err := c.Orders(t.Context()); orders != want || err != nil {
			t.Errorf("orders: %v, %v", orders, err)
		}
		if chain, err := c.Published(t.Context()); chain != nil || err != nil {
			t.Errorf("before: %q, %v", chain, err)
		}
	}
	for _, chain := range []string{"first", "second"} {
		if err := a.Publish(t.Context(), []byte(chain)); err != nil {
			t.Fatal(err)
		}
		standby.Await("SELECT FROM certificates WHERE chain = '" + chain + "'")
		if got, err := b.Published(t.Context()); string(got) != chain || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
	}
	if err := a.Present(t.Context(), "token", "answer"); err != nil {
		t.Fatal(err)
	}
	standby.Await("SELECT FROM challenges")
	if got, err := b.Answer(t.Context(), "token"); got != "answer" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	if err := a.CleanUp(t.Context(), "token"); err != nil {
		t.Fatal(err)
	}
	if got, err := a.Answer(t.Context(), "token"); got != "" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	if err := b.Publish(t.Context(), []byte("third")); err == nil {
		t.Error("a copy publishes a certificate")
	}
}
