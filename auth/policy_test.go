package auth

import (
	"context"
	"fmt"
	"net/netip"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"chatmaild/auth/mailaddr"
)

func TestRateOfTheRelay(t *testing.T) {
	f := newFixture()
	f.policy.PerMinute = 3
	f.policy.MinLocal = 1
	try := func(name string) Reason {
		r := f.login(t, name+"@chat.example", right)
		return r.Reason
	}
	for i, want := range []Reason{NotRefused, NotRefused, NotRefused, RelayRate} {
		if got := try(fmt.Sprint("a", i)); got != want {
			t.Errorf("account %d: %q, want %q", i, got, want)
		}
	}
	f.now = f.now.Add(20 * time.Second)
	for i, want := range []Reason{NotRefused, RelayRate} {
		if got := try(fmt.Sprint("b", i)); got != want {
			t.Errorf("20 s later, account %d: %q, want %q", i, got, want)
		}
	}
	// A refused name costs nothing.
	f.now = f.now.Add(20 * time.Second)
	try("root")
	if got := try("c"); got != NotRefused {
		t.Errorf("after a refused name: %q", got)
	}
}

func TestRateOfANetwork(t *testing.T) {
	p := &Policy{PerMinute: 1000, PerNetworkPerHour: 2, PerNetworkPerDay: 100}
	for _, tt := range []struct {
		name    string
		clients []string
		want    Reason // of the last one
	}{
		{"a /24", []string{"192.0.2.1", "192.0.2.2", "192.0.2.255"}, NetworkRate},
		{"two /24", []string{"192.0.2.1", "192.0.2.2", "192.0.3.1"}, NotRefused},
		{"a /64", []string{"2001:db8::1", "2001:db8::2", "2001:db8::ffff:0:0:1"}, NetworkRate},
		{"two /64", []string{"2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"}, NotRefused},
		{"IPv4 in IPv6", []string{"192.0.2.1", "::ffff:192.0.2.2", "192.0.2.3"}, NetworkRate},
		{"loopback", []string{"127.0.0.1", "127.0.0.1", "127.0.0.1"}, NotRefused},
		{"not known", []string{"", "", ""}, NotRefused},
	} {
		var r rate
		var got Reason
		for _, c := range tt.clients {
			client, _ := netip.ParseAddr(c)
			got = r.take(p, client, noon)
		}
		if got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// A conference's phones come from one address, with three accounts each, within ten
// minutes, at once or evenly; a late one is told why, and gets in by another
// network. Its hall is open the next day.
func TestConference(t *testing.T) {
	const accounts = 3 * 500
	for name, pause := range map[string]time.Duration{
		"evenly":                           10 * time.Minute / accounts,
		"as fast as the relay's rate lets": time.Minute / 300,
	} {
		t.Run(name, func(t *testing.T) {
			r, p, now := rate{}, defaultPolicy(), noon
			for i := range accounts {
				if got := r.take(p, netip.MustParseAddr("192.0.2.1"), now); got != NotRefused {
					t.Fatalf("account %d: %q", i+1, got)
				}
				now = now.Add(pause)
			}
			if took := now.Sub(noon); took > 10*time.Minute {
				t.Errorf("they took %v", took)
			}
			late := r.take(p, netip.MustParseAddr("192.0.2.9"), now)
			if late != NetworkRate || !late.Temporary() || !strings.Contains(late.Message(), "another network") {
				t.Errorf("one more: %q, %q", late, late.Message())
			}
			if got := r.take(p, netip.MustParseAddr("198.51.100.1"), now); got != NotRefused {
				t.Errorf("from another network: %q", got)
			}
			if got := r.take(p, netip.MustParseAddr("192.0.2.1"), noon.Add(day)); got != NotRefused {
				t.Errorf("the next day: %q", got)
			}
		})
	}
}

// A script that tries twice a second gets as many as a conference, in a whole day; and no
// more in an hour than an operator wants who has the day at large.
func TestScript(t *testing.T) {
	tried := func(p *Policy, d time.Duration) (made int) {
		var r rate
		for at := time.Duration(0); at < d; at += time.Second / 2 {
			if r.take(p, netip.MustParseAddr("192.0.2.1"), noon.Add(at)) == NotRefused {
				made++
			}
		}
		return made
	}
	p := defaultPolicy()
	for d, want := range map[time.Duration]int{time.Hour: 1500, day: 1500, 2 * day: 3000} {
		if got := tried(p, d); got != want {
			t.Errorf("%v: %d accounts, want %d", d, got, want)
		}
	}
	p.PerNetworkPerHour, p.PerNetworkPerDay = 300, 10000
	if got := tried(p, time.Hour); got != 599 { // all at once, and what comes back
		t.Errorf("an hour of 300: %d accounts, want 599", got)
	}
}

// defaultPolicy has the rates of the configuration's defaults.
func defaultPolicy() *Policy {
	return &Policy{PerMinute: 300, PerNetworkPerHour: 1500, PerNetworkPerDay: 1500}
}

// However many networks come, memory is bounded, and those at their limit are not
// forgotten while idle ones can be.
func TestNetworksAreBounded(t *testing.T) {
	p := &Policy{PerMinute: 1 << 30, PerNetworkPerHour: 1, PerNetworkPerDay: 100}
	var r rate
	client := func(i int) netip.Addr {
		return netip.AddrFrom4([4]byte{byte(i>>16) + 1, byte(i >> 8), byte(i), 1})
	}
	for i := range maxNetworks {
		r.take(p, client(i), noon)
	}
	later := noon.Add(day + time.Second)
	last := client(maxNetworks)
	r.take(p, last, later)
	if n := len(r.networks); n != 1 {
		t.Errorf("%d networks are kept, want 1", n)
	}
	if got := r.take(p, last, later); got != NetworkRate {
		t.Errorf("a network at its limit: %q", got)
	}
	for i := range maxNetworks + 100 {
		r.take(p, client(i), later)
	}
	if n := len(r.networks); n > maxNetworks {
		t.Errorf("%d networks are kept, want at most %d", n, maxNetworks)
	}
}

func TestGrant(t *testing.T) {
	key := []byte("a key")
	secret := strings.Repeat("s", 22)
	grant, err := Grant(key, alice, secret, noon)
	if err != nil {
		t.Fatal(err)
	}
	if len(grant) > MaxPassword || !strings.HasPrefix(grant, secret) {
		t.Errorf("the grant is %q", grant)
	}
	altered := []byte(grant)
	altered[3] ^= 1
	older, _ := Grant(key, alice, secret, noon.Add(-time.Hour))
	forged := secret + older[len(secret):len(secret)+grantTime] + grant[len(secret)+grantTime:]
	for _, tt := range []struct {
		name, address, password string
		after                   time.Duration
		key                     string
		want                    Outcome
	}{
		{"at once", alice, grant, 0, "a key", Created},
		{"the next day", alice, grant, grantAge, "a key", Created},
		{"too late", alice, grant, grantAge + time.Second, "a key", Refused},
		{"from the future", alice, grant, -grantSkew - time.Second, "a key", Refused},
		{"another address", "bob@chat.example", grant, 0, "a key", Refused},
		{"altered", alice, string(altered), 0, "a key", Refused},
		{"time altered", alice, forged, 0, "a key", Refused},
		{"cut off", alice, grant[1:], 0, "a key", Refused},
		{"another key", alice, grant, 0, "b key", Refused},
		{"no key", alice, grant, 0, "", Refused},
		{"no grant", alice, right, 0, "a key", Refused},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture()
			f.policy.Registration = Invite
			f.policy.GrantKey = []byte(tt.key)
			f.now = noon.Add(tt.after)
			r := f.login(t, tt.address, tt.password)
			if r.Outcome != tt.want || r.Outcome == Refused && r.Reason != NotInvited {
				t.Errorf("got %s %q, want %s", r.Outcome, r.Reason, tt.want)
			}
		})
	}
	for _, bad := range []string{"", strings.Repeat("s", minGranted-1), strings.Repeat("s", MaxGranted+1)} {
		if _, err := Grant(key, alice, bad, noon); err == nil {
			t.Errorf("a grant was made of %d bytes", len(bad))
		}
	}
}

// FuzzGrant: nothing but a grant is one.
func FuzzGrant(f *testing.F) {
	key := []byte("a key")
	grant, err := Grant(key, alice, strings.Repeat("s", 22), noon)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(grant + "x")
	f.Add(strings.Repeat("0", 40))
	addr, _ := mailaddr.Parse(alice, testDomain)
	f.Fuzz(func(t *testing.T, password string) {
		if password != grant && granted(key, addr, password, noon) {
			t.Fatalf("%q was granted", password)
		}
	})
}

func TestMemoryIsBounded(t *testing.T) {
	m := newMemory([]byte("key"), 10)
	addr := mustParse(t, alice)
	of := func(i int) digest { return m.digest(addr, "stored", fmt.Sprint(i)) }
	m.add(of(0))
	for i := 1; i < 1000; i++ {
		m.add(of(i))
		if !m.knows(of(0)) {
			t.Fatalf("what is used all the time was forgotten after %d others", i)
		}
		if n := len(m.young) + len(m.old); n > 10 {
			t.Fatalf("%d digests are kept", n)
		}
	}
	if m.knows(of(500)) {
		t.Error("what was not used for long is still known")
	}
	if m.digest(addr, "ab", "c") == m.digest(addr, "a", "bc") {
		t.Error("two logins have the same digest")
	}
}

func BenchmarkLoginRemembered(b *testing.B) {
	f := newFixture()
	if _, err := f.Login(context.Background(), alice, right, netip.Addr{}); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if r, _ := f.Login(context.Background(), alice, right, netip.Addr{}); r.Outcome != Remembered {
			b.Fatal(r.Outcome)
		}
	}
}

func BenchmarkLoginVerified(b *testing.B) {
	f := newFixture()
	if _, err := f.Login(context.Background(), alice, right, netip.Addr{}); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if r, _ := f.Login(context.Background(), alice, "a wrong password", netip.Addr{}); r.Outcome != Wrong {
			b.Fatal(r.Outcome)
		}
	}
}

// BenchmarkRemember tells what 200,000 remembered logins take.
func BenchmarkRemember(b *testing.B) {
	const logins = 200_000
	addr, err := mailaddr.Parse(alice, testDomain)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		m := newMemory([]byte("key"), 2*logins)
		for i := range logins {
			m.add(m.digest(addr, "stored", strconv.Itoa(i)))
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/(1<<20), "MiB")
		runtime.KeepAlive(m)
	}
}
