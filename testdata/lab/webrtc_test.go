package lab

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"chatmaild/testdata/lab/core"
	"chatmaild/testdata/lab/network"
	"chatmaild/testdata/lab/program"
)

// The kinds of events of a call (EventType of the core's JSON-RPC).
const (
	incomingCall = "IncomingCall"
	callAccepted = "OutgoingCallAccepted"
)

// webRTC has alice call bob, by the messages of their clients and the data channel that
// these agree on. Neither of the programs that call reaches the other but by the relay.
func (c *conversation) webRTC(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "webrtc")
	ctx := deadline(t, 2*stepTimeout)
	if _, err := program.Run(ctx, "env", "-C", "../webrtc", "CGO_ENABLED=0", "go", "build", "-o", binary, "."); err != nil {
		t.Fatal(err)
	}
	alice, bob := c.caller(ctx, t, c.alice), c.caller(ctx, t, c.bob)
	for _, ends := range [][2]*caller{{alice, bob}, {bob, alice}} {
		text := fmt.Sprintf("table inet apart {\n\tchain in {\n\t\ttype filter hook input priority filter; policy accept;\n"+
			"\t\tip saddr %v counter drop\n\t\tip6 saddr %v counter drop\n\t}\n}\n", ends[1].IPv4, ends[1].IPv6)
		loadRules(t, ends[0].Station, text)
	}
	alice.start(ctx, t, binary, "offer")
	bob.start(ctx, t, binary, "answer")

	fromBob, fromAlice := c.bob.Position(), c.alice.Position()
	var call uint32
	rpc(t, c.alice, &call, "place_outgoing_call", c.ab, alice.line(t), false)
	rings, err := c.bob.Wait(ctx, fromBob, incomingCall, nil)
	if err != nil {
		t.Fatal(err)
	}
	bob.tell(t, rings.PlaceCall)
	rpc(t, c.bob, nil, "accept_incoming_call", rings.CallID, bob.line(t))
	taken, err := c.alice.Wait(ctx, fromAlice, callAccepted, nil)
	if err != nil {
		t.Fatal(err)
	}
	alice.tell(t, taken.TakeCall)
	// "by relay": of an address that the TURN server made.
	if got := alice.line(t); !strings.HasPrefix(got, `"hello from answer" by `) || !strings.Contains(got, "relay") {
		t.Errorf("alice: %s", got)
	}
	if got := bob.line(t); !strings.HasPrefix(got, `"hello from offer" by `) || !strings.Contains(got, "relay") {
		t.Errorf("bob: %s", got)
	}
	for _, end := range []*caller{alice, bob} {
		if err := end.in.Close(); err != nil {
			t.Error(err)
		}
		if err := end.cmd.Wait(); err != nil {
			t.Error(err)
		}
	}
	if err := c.alice.Call(ctx, nil, "end_call", call); err != nil {
		t.Error(err)
	}
}

// caller is the program that calls, on a station of its own.
type caller struct {
	network.Station
	servers string
	cmd     *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
}

func (c *conversation) caller(ctx context.Context, t *testing.T, p *core.Profile) *caller {
	t.Helper()
	station := addStation(t, c.lab, "webrtc-"+p.Name)
	_, servers := iceServers(t, p)
	return &caller{Station: station, servers: servers}
}

func (c *caller) start(ctx context.Context, t *testing.T, program, role string) {
	t.Helper()
	c.cmd = exec.CommandContext(ctx, "ip", "netns", "exec", c.Netns, program, role, c.servers)
	c.cmd.Stderr = os.Stderr
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.out = bufio.NewReader(out)
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
}

// line is what the program says next.
func (c *caller) line(t *testing.T) string {
	t.Helper()
	line, err := c.out.ReadString('\n')
	if err != nil {
		t.Fatalf("the program that calls: %v", err)
	}
	return strings.TrimSuffix(line, "\n")
}

func (c *caller) tell(t *testing.T, line string) {
	t.Helper()
	if _, err := fmt.Fprintln(c.in, line); err != nil {
		t.Fatal(err)
	}
}
