package relay

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/stun/v4"
	"github.com/pion/turn/v5"

	"chatmaild/testdata/kit/turnwire"
)

// unknown is an attribute that a server has to understand.
const unknown stun.AttrType = 0x7777

// line is a request, and the answer that it has to get: the code of an error, success, or
// none for an indication or for what is not answered.
type line struct {
	method stun.Method
	with   []stun.Setter
	as     string // another user's name; or "nobody", "expired", "wrong password", "stale nonce"
	want   int
}

const (
	success = 0
	silence = -1
	refused = -2 // an error, or no answer, where the library has its own way
)

func peer(text string) turnwire.Peer { return turnwire.Peer(netip.MustParseAddrPort(text)) }

var (
	public  = peer("192.0.2.99:9")
	another = peer("192.0.2.98:9")
	private = peer("10.0.0.1:9")
	usual   = line{method: turnwire.Allocate, with: []stun.Setter{turnwire.UDP}}
)

// TestHostileDialogues holds the server to RFC 8656 against clients that do as they
// please. Each dialogue is one client's, from one port.
func TestHostileDialogues(t *testing.T) {
	for name, lines := range map[string][]line{
		"nobody":                      {{turnwire.Allocate, []stun.Setter{turnwire.UDP}, "nobody", 401}},
		"a password that expired":     {{turnwire.Allocate, []stun.Setter{turnwire.UDP}, "expired", 401}},
		"another password":            {{turnwire.Allocate, []stun.Setter{turnwire.UDP}, "wrong password", 401}},
		"another server's nonce":      {{turnwire.Allocate, []stun.Setter{turnwire.UDP}, "stale nonce", 438}},
		"no transport":                {{turnwire.Allocate, nil, "", 400}},
		"a transport of TCP":          {{turnwire.Allocate, []stun.Setter{turnwire.Number(turnwire.RequestedTransport, 6<<24)}, "", refused}},
		"an unknown attribute":        {{turnwire.Allocate, []stun.Setter{turnwire.UDP, turnwire.Number(unknown, 1)}, "", 420}},
		"an unknown family":           {{turnwire.Allocate, []stun.Setter{turnwire.UDP, turnwire.Number(turnwire.RequestedFamily, 9<<24)}, "", 440}},
		"a token for an even port":    {{turnwire.Allocate, []stun.Setter{turnwire.UDP, stun.RawAttribute{Type: turnwire.EvenPort, Value: []byte{0x80}}, stun.RawAttribute{Type: turnwire.ReservationToken, Value: make([]byte, 8)}}, "", 400}},
		"a token that is not known":   {{turnwire.Allocate, []stun.Setter{turnwire.UDP, stun.RawAttribute{Type: turnwire.ReservationToken, Value: make([]byte, 8)}}, "", 508}},
		"two allocations":             {usual, {turnwire.Allocate, []stun.Setter{turnwire.UDP}, "", 437}},
		"an allocation for ever":      {{turnwire.Allocate, []stun.Setter{turnwire.UDP, turnwire.Number(turnwire.Lifetime, 1<<32-1)}, "", success}},
		"no allocation to refresh":    {{turnwire.Refresh, nil, "", refused}},
		"another's allocation":        {usual, {turnwire.Refresh, []stun.Setter{turnwire.Number(turnwire.Lifetime, 0)}, "mallory", refused}},
		"another's permission":        {usual, {turnwire.CreatePermission, []stun.Setter{public}, "mallory", refused}},
		"another's channel":           {usual, {turnwire.ChannelBind, []stun.Setter{turnwire.Channel(0x4000), public}, "mallory", refused}},
		"no allocation to permit":     {{turnwire.CreatePermission, []stun.Setter{public}, "", refused}},
		"no allocation to bind":       {{turnwire.ChannelBind, []stun.Setter{turnwire.Channel(0x4000), public}, "", refused}},
		"nobody to permit":            {usual, {turnwire.CreatePermission, nil, "", 400}},
		"a private peer":              {usual, {turnwire.CreatePermission, []stun.Setter{private}, "", 403}},
		"a private peer by channel":   {usual, {turnwire.ChannelBind, []stun.Setter{turnwire.Channel(0x4000), private}, "", refused}},
		"a private peer among others": {usual, {turnwire.CreatePermission, []stun.Setter{public, private}, "", 403}},
		"a peer of another family":    {usual, {turnwire.CreatePermission, []stun.Setter{peer("[2001:db8::1]:9")}, "", 443}},
		// The library takes these; what comes by them reaches nobody but this client.
		"a channel below":           {usual, {turnwire.ChannelBind, []stun.Setter{turnwire.Channel(0x3fff), public}, "", success}},
		"a channel above":           {usual, {turnwire.ChannelBind, []stun.Setter{turnwire.Channel(0x8000), public}, "", success}},
		"a channel for two":         {usual, {turnwire.ChannelBind, []stun.Setter{turnwire.Channel(0x4000), public}, "", success}, {turnwire.ChannelBind, []stun.Setter{turnwire.Channel(0x4000), another}, "", 400}},
		"two channels for one":      {usual, {turnwire.ChannelBind, []stun.Setter{turnwire.Channel(0x4000), public}, "", success}, {turnwire.ChannelBind, []stun.Setter{turnwire.Channel(0x4001), public}, "", 400}},
		"a connection by TCP":       {usual, {turnwire.Connect, []stun.Setter{public}, "", refused}},
		"data without a permission": {usual, {turnwire.Send, []stun.Setter{public, stun.RawAttribute{Type: turnwire.Data, Value: []byte("x")}}, "", silence}},
	} {
		t.Run(name, func(t *testing.T) {
			address, _, _ := start(t, nil)
			c := newTalker(t, address)
			for i, l := range lines {
				if got, message := c.say(l); got != l.want && !(l.want == refused && got != success) {
					t.Errorf("line %d: got %d, want %d", i, got, l.want)
				} else if seconds, err := message.Get(turnwire.Lifetime); l.method == turnwire.Allocate && got == success && (err != nil || binary.BigEndian.Uint32(seconds) > 3600) {
					t.Errorf("an allocation for %v seconds (%v)", seconds, err)
				}
			}
			// It lives, for this client and for others.
			if got, _ := newTalker(t, address).say(usual); got != success {
				t.Errorf("an honest client got %d", got)
			}
		})
	}
}

// talker says what it wants to, in whatever order.
type talker struct {
	t     testing.TB
	conn  net.Conn
	realm stun.Realm
	nonce stun.Nonce
}

func newTalker(t testing.TB, address string) *talker {
	t.Helper()
	conn, err := net.Dial("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	c := &talker{t: t, conn: conn}
	_, challenge := c.say(line{turnwire.Allocate, []stun.Setter{turnwire.UDP}, "nobody", 401})
	if err := challenge.Parse(&c.realm, &c.nonce); err != nil {
		t.Fatal(err)
	}
	return c
}

// say returns the code of the answer, and the answer.
func (c *talker) say(l line) (int, *stun.Message) {
	c.t.Helper()
	class := stun.ClassRequest
	if l.method == turnwire.Send {
		class = stun.ClassIndication
	}
	set := append([]stun.Setter{stun.TransactionID, stun.NewType(l.method, class)}, l.with...)
	if l.as != "nobody" && class == stun.ClassRequest {
		user, at := "alice", time.Now()
		nonce := c.nonce
		switch l.as {
		case "expired":
			at = at.Add(-6 * 24 * time.Hour)
		case "stale nonce":
			nonce = stun.NewNonce(fmt.Sprintf("%0*d", len(nonce), 7))
		case "mallory":
			user = l.as
		}
		name, password := secret.Issue(user, at)
		if l.as == "wrong password" {
			password = "north"
		}
		key := turn.GenerateAuthKey(name, c.realm.String(), password)
		set = append(set, stun.NewUsername(name), c.realm, nonce, stun.MessageIntegrity(key))
	}
	m, err := stun.Build(append(set, stun.Fingerprint)...)
	if err != nil {
		c.t.Fatal(err)
	}
	// The server takes one packet after the other: an answer comes before that to the
	// request that follows.
	last := stun.MustBuild(stun.TransactionID, stun.BindingRequest)
	for _, raw := range [][]byte{m.Raw, last.Raw} {
		if _, err := c.conn.Write(raw); err != nil {
			c.t.Fatal(err)
		}
	}
	c.conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	var answer *stun.Message
	for {
		buf := make([]byte, 1500)
		n, err := c.conn.Read(buf)
		if err != nil {
			c.t.Fatalf("no answer to %v: %v", m.Type, err)
		}
		next := &stun.Message{Raw: buf[:n]}
		if err := next.Decode(); err != nil {
			c.t.Fatal(err)
		}
		if next.TransactionID == last.TransactionID {
			break
		}
		answer = next
	}
	if answer == nil {
		return silence, &stun.Message{}
	}
	var code stun.ErrorCodeAttribute
	if code.GetFrom(answer) == nil {
		return int(code.Code), answer
	}
	return success, answer
}
