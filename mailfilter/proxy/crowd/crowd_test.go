package crowd

import (
	"net/netip"
	"testing"
	"time"
)

// member has been idle for some seconds; less than 0: it is busy.
type member struct {
	name, address string
	idle          int
	ousted        bool
}

var now = time.Unix(1234567, 0)

func (m *member) Address() netip.Addr {
	a, _ := netip.ParseAddr(m.address)
	return a
}

func (m *member) Silent() (time.Time, bool) {
	return now.Add(-time.Duration(m.idle) * time.Second), m.idle >= 0
}

func (m *member) Oust() bool {
	m.ousted = true
	return true
}

func TestJoin(t *testing.T) {
	for _, test := range []struct {
		name    string
		members []*member // who have joined
		address string    // of who joins
		want    Answer
		ousted  string
	}{
		{"empty", nil, "192.0.2.1", Welcome, ""},
		{"another address", []*member{{"a", "192.0.2.1", 0, false}, {"b", "192.0.2.1", 0, false}}, "192.0.2.2", Welcome, ""},
		{"too many of one", []*member{{"a", "192.0.2.1", 9, false}, {"b", "192.0.2.1", 9, false}}, "192.0.2.1", AddressFull, ""},
		{"too many of one network", []*member{{"a", "2001:db8::1", 9, false}, {"b", "2001:db8::2", 9, false}}, "2001:db8::3", AddressFull, ""},
		{"two networks", []*member{{"a", "2001:db8::1", 9, false}, {"b", "2001:db8::2", 9, false}}, "2001:db8:0:1::3", Welcome, ""},
		{"not known whose", []*member{{"a", "", 9, false}, {"b", "", 9, false}}, "", Welcome, ""},
		{"all busy", []*member{{"a", "192.0.2.1", -1, false}, {"b", "192.0.2.2", 4, false}, {"c", "192.0.2.3", 5, false}}, "192.0.2.4", Full, ""},
		{"one silent", []*member{{"a", "192.0.2.1", -1, false}, {"b", "192.0.2.2", 6, false}, {"c", "192.0.2.3", 7, false}}, "192.0.2.4", InPlace, "c"},
	} {
		c := New[*member](3, 2, func() time.Time { return now })
		for _, m := range test.members {
			if got := c.Join(m); got != Welcome {
				t.Fatalf("%s: %s joins: %v", test.name, m.name, got)
			}
		}
		last := &member{name: "new", address: test.address}
		if got := c.Join(last); got != test.want {
			t.Errorf("%s: got %v, want %v", test.name, got, test.want)
		}
		for _, m := range append(test.members, last) {
			if m.ousted != (m.name == test.ousted) {
				t.Errorf("%s: %s is ousted: %t", test.name, m.name, m.ousted)
			}
			c.Leave(m)
			c.Leave(m) // who has left before has no place to give back
		}
		if len(c.members) > 0 || len(c.from) > 0 {
			t.Errorf("%s: %v and %v are left", test.name, c.members, c.from)
		}
	}
}
