package membership

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"chatmaild/applets/admin/host/hosttest"
	"chatmaild/applets/config"
	"chatmaild/store/directory/postgres"
)

const key = "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo="

func TestParsePeer(t *testing.T) {
	for text, want := range map[string]string{
		"b 10.7.0.2\n": "b 10.7.0.2",
		"b 10.177.44.2 " + key + " 192.0.2.2:51821":    "b 10.177.44.2 " + key + " 192.0.2.2:51821",
		"b 10.177.44.2 " + key + " [2001:db8::2]:1000": "b 10.177.44.2 " + key + " [2001:db8::2]:1000",
		"b":                                    "",
		"b 10.7.0.2 " + key:                    "",
		"b 10.7.0.2 key 192.0.2.2:51821":       "",
		"b 10.7.0.2 " + key + " 192.0.2.2":     "",
		"b 10.7.0.2 " + key + " host.test:1 x": "",
		"B 10.7.0.2":                           "",
		"b 127.0.0.1":                          "",
	} {
		p, err := ParsePeer(text)
		if got := PeerText(p); (err == nil) != (want != "") || err == nil && got != want {
			t.Errorf("%q: got %q, %v", text, got, err)
		}
	}
}

func FuzzParsePeer(f *testing.F) {
	f.Add("b 10.7.0.2 " + key + " 192.0.2.2:51821")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ParsePeer(text)
		if err != nil {
			return
		}
		if again, err := ParsePeer(PeerText(p)); again != p || err != nil {
			t.Errorf("%q: got %+v, then %+v, %v", text, p, again, err)
		}
		if strings.ContainsAny(p.Key+p.Endpoint+p.Name, "\n\r \t") {
			t.Errorf("%q is another line of a configuration: %+v", text, p)
		}
	})
}

// TestMesh makes a machine one of the network, and has it know others later: the interface
// stays up.
func TestMesh(t *testing.T) {
	m := hosttest.New(t)
	h := &Here{Conf: &config.Config{Cluster: config.Cluster{Name: "a"}}, Machine: m.Host}
	a := postgres.Peer{Member: config.Member{Name: "a", Addr: netip.MustParseAddr("10.177.44.1")}, Key: key, Endpoint: "192.0.2.1:51821"}
	b := postgres.Peer{Member: config.Member{Name: "b", Addr: netip.MustParseAddr("10.177.44.2")}, Key: key, Endpoint: "192.0.2.2:1000"}
	for _, step := range []struct {
		all  []postgres.Peer
		did  []string
		want []string
	}{
		{[]postgres.Peer{a}, []string{"enable " + meshUnit, "restart " + meshUnit}, []string{"Address = 10.177.44.1/24\n", "ListenPort = 51821\n"}},
		{[]postgres.Peer{a, b}, []string{"reload " + meshUnit}, []string{"Endpoint = 192.0.2.2:1000\n", "AllowedIPs = 10.177.44.2/32\n"}},
		{[]postgres.Peer{a, b}, nil, nil},
		{[]postgres.Peer{b}, nil, nil}, // it is none of them
	} {
		m.Did = nil
		if err := h.FollowMesh(t.Context(), step.all); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(m.Did, step.did) {
			t.Errorf("%v: did %q, want %q", step.all, m.Did, step.did)
		}
		text, err := m.Host.ReadFile(meshConfig)
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range step.want {
			if !strings.Contains(string(text), part) {
				t.Errorf("%q is missing in\n%s", part, text)
			}
		}
		if n := strings.Count(string(text), "[Peer]"); n > 1 || strings.Contains(string(text), a.Endpoint) {
			t.Errorf("it is a peer of itself, or there are %d:\n%s", n, text)
		}
	}
	m.Active[meshUnit] = time.Now()
}

func TestFree(t *testing.T) {
	var others []config.Member
	for _, want := range []string{"10.177.44.1", "10.177.44.2", "10.177.44.3"} {
		addr, err := free(others)
		if addr.String() != want || err != nil {
			t.Errorf("got %v, %v, want %s", addr, err, want)
		}
		others = append(others, config.Member{Name: want, Addr: addr})
	}
	if addr, err := free(others[1:]); addr.String() != "10.177.44.1" || err != nil {
		t.Errorf("one that has gone: %v, %v", addr, err)
	}
}
