package lab

import (
	"encoding/json"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pion/turn/v5"

	"chatmaild/testdata/lab/core"
	"chatmaild/testdata/lab/program"
)

// iceServer is what core tells the program that calls (chatmail/core, src/calls.rs).
type iceServer struct {
	URLs                 []string
	Username, Credential string
}

// iceServers asks a client for the server, of which there has to be one, and returns it
// as the client tells it, too.
func iceServers(t *testing.T, p *core.Profile) (iceServer, string) {
	t.Helper()
	var text string
	rpc(t, p, &text, "ice_servers")
	var servers []iceServer
	if err := json.Unmarshal([]byte(text), &servers); err != nil {
		t.Fatal(err)
	}
	if len(servers) != 1 || servers[0].Username == "" {
		t.Fatalf("ice_servers: %s: want the relay alone", text)
	}
	return servers[0], text
}

// ipv4 is the server's address and port.
func (s iceServer) ipv4() string {
	for _, url := range s.URLs {
		if host, ok := strings.CutPrefix(url, "turn:"); ok && !strings.Contains(host, "[") {
			return host
		}
	}
	return ""
}

// complete is what turnutils_uclient says at its end: four
// relayed addresses with 20 packets each.
var complete = regexp.MustCompile(`(?m)tot_send_msgs=80, tot_recv_msgs=80$`)

// turnutils has coturn's own client send between relayed addresses, by UDP and by TCP.
func (c *conversation) turnutils(t *testing.T) {
	station := addStation(t, c.lab, "turnutils")
	// Each as another user: it leaves some of its eight allocations to end by themselves,
	// and a user can have ten.
	for transport, as := range map[string]*core.Profile{"": c.alice, "-t": c.bob} {
		server, _ := iceServers(t, as)
		host, port, err := net.SplitHostPort(server.ipv4())
		if err != nil {
			t.Fatal(err)
		}
		args := slices.DeleteFunc([]string{
			"netns", "exec", station.Netns, "turnutils_uclient", transport, "-y", "-n", "20", "-m", "4", "-l", "1200",
			"-u", server.Username, "-w", server.Credential, "-p", port, host,
		}, func(arg string) bool { return arg == "" })
		out, err := program.Run(deadline(t, stepTimeout), "ip", args...)
		if err != nil || !complete.MatchString(out) || !strings.Contains(out, "Total lost packets 0 ") {
			t.Errorf("turnutils_uclient %s: %v\n%s", transport, err, out)
		}
	}
}

// calls sends through the relay's TURN server, from one user's relayed address to the
// other's, with what each one's client was told. The stations are on a private network,
// which the relay lets nobody reach: so there is no other way.
func (c *conversation) calls(t *testing.T) {
	a, b := c.allocate(t, c.alice), c.allocate(t, c.bob)
	for _, end := range []struct{ from, to net.PacketConn }{{a, b}, {b, a}, {a, b}} {
		if _, err := end.from.WriteTo([]byte("hello"), end.to.LocalAddr()); err != nil {
			t.Fatal(err)
		}
	}
	for _, end := range []struct{ at, from net.PacketConn }{{a, b}, {b, a}} {
		if err := end.at.SetReadDeadline(time.Now().Add(stepTimeout)); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 100)
		n, from, err := end.at.ReadFrom(buf)
		if err != nil || string(buf[:n]) != "hello" || from.String() != end.from.LocalAddr().String() {
			t.Errorf("got %q from %v (%v), want hello from %v", buf[:n], from, err, end.from.LocalAddr())
		}
	}
	if _, err := a.WriteTo([]byte("hello"), &net.UDPAddr{IP: net.IPv4(10, 77, 0, 200), Port: 9}); err == nil {
		t.Error("a peer in the relay's own network was let in")
	}
	c.turnAtRest(t)
	c.turnutils(t)
}

// turnAtRest waits until the server takes no more memory than a relay can spare, with the
// two allocations of users who say nothing.
func (c *conversation) turnAtRest(t *testing.T) {
	const most = 6 << 10
	var kib int
	defer func() { t.Logf("the TURN server takes %d KiB at rest, and may take %d", kib, most) }()
	until(deadline(t, restTimeout), t, "the TURN server to rest", func() bool {
		pss := sh(t, c.relay, "awk '/^Pss:/ { print $2 }' /proc/$(systemctl show --property=MainPID --value chatmaild-turn)/smaps_rollup")
		var err error
		if kib, err = strconv.Atoi(strings.TrimSpace(pss)); err != nil {
			t.Fatal(err)
		}
		return kib <= most
	})
}

// allocate gets a relayed address as a user's program that calls would.
func (c *conversation) allocate(t *testing.T, p *core.Profile) net.PacketConn {
	t.Helper()
	server, _ := iceServers(t, p)
	address := server.ipv4()
	station := addStation(t, c.lab, "caller-"+p.Name)
	var conn net.PacketConn
	err := station.Do(func() (err error) {
		conn, err = net.ListenPacket("udp4", "0.0.0.0:0")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	client, err := turn.NewClient(&turn.ClientConfig{
		STUNServerAddr: address, TURNServerAddr: address, Conn: conn,
		Username: server.Username, Password: server.Credential,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		client.Close()
		conn.Close()
	})
	if err := client.Listen(); err != nil {
		t.Fatal(err)
	}
	relayed, err := client.Allocate()
	if err != nil {
		t.Fatalf("no relayed address of %s: %v", address, err)
	}
	return relayed
}
