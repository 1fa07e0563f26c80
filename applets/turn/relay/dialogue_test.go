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
)

// Methods and attributes of RFC 8656 §17 and §18.
const (
	allocate         stun.Method = 3
	refresh          stun.Method = 4
	send             stun.Method = 6
	createPermission stun.Method = 8
	channelBind      stun.Method = 9
	connect          stun.Method = 10 // RFC 6062

	channelNumber      stun.AttrType = 0x0c
	lifetime           stun.AttrType = 0x0d
	xorPeerAddress     stun.AttrType = 0x12
	data               stun.AttrType = 0x13
	requestedFamily    stun.AttrType = 0x17
	evenPort           stun.AttrType = 0x18
	requestedTransport stun.AttrType = 0x19
	reservationToken   stun.AttrType = 0x22
	unknown            stun.AttrType = 0x7777 // which a server has to understand
)

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

func number(t stun.AttrType, n uint32) stun.Setter {
	return stun.RawAttribute{Type: t, Value: binary.BigEndian.AppendUint32(nil, n)}
}

// peer is an address in XOR-PEER-ADDRESS, which depends on the message's transaction.
type peer string

// AddTo implements stun.Setter.
func (p peer) AddTo(m *stun.Message) error {
	at := netip.MustParseAddrPort(string(p))
	return stun.XORMappedAddress{IP: at.Addr().AsSlice(), Port: int(at.Port())}.AddToAs(m, xorPeerAddress)
}

var (
	udp     = number(requestedTransport, 17<<24)
	public  = peer("192.0.2.99:9")
	another = peer("192.0.2.98:9")
	private = peer("10.0.0.1:9")
	usual   = line{method: allocate, with: []stun.Setter{udp}}
)

func channel(n uint16) stun.Setter { return number(channelNumber, uint32(n)<<16) }

// TestHostileDialogues holds the server to RFC 8656 against clients that do as they
// please. Each dialogue is one client's, from one port.
func TestHostileDialogues(t *testing.T) {
	for name, lines := range map[string][]line{
		"nobody":                      {{allocate, []stun.Setter{udp}, "nobody", 401}},
		"a password that expired":     {{allocate, []stun.Setter{udp}, "expired", 401}},
		"another password":            {{allocate, []stun.Setter{udp}, "wrong password", 401}},
		"another server's nonce":      {{allocate, []stun.Setter{udp}, "stale nonce", 438}},
		"no transport":                {{allocate, nil, "", 400}},
		"a transport of TCP":          {{allocate, []stun.Setter{number(requestedTransport, 6<<24)}, "", refused}},
		"an unknown attribute":        {{allocate, []stun.Setter{udp, number(unknown, 1)}, "", 420}},
		"an unknown family":           {{allocate, []stun.Setter{udp, number(requestedFamily, 9<<24)}, "", 440}},
		"a token for an even port":    {{allocate, []stun.Setter{udp, stun.RawAttribute{Type: evenPort, Value: []byte{0x80}}, stun.RawAttribute{Type: reservationToken, Value: make([]byte, 8)}}, "", 400}},
		"a token that is not known":   {{allocate, []stun.Setter{udp, stun.RawAttribute{Type: reservationToken, Value: make([]byte, 8)}}, "", 508}},
		"two allocations":             {usual, {allocate, []stun.Setter{udp}, "", 437}},
		"an allocation for ever":      {{allocate, []stun.Setter{udp, number(lifetime, 1<<32-1)}, "", success}},
		"no allocation to refresh":    {{refresh, nil, "", refused}},
		"another's allocation":        {usual, {refresh, []stun.Setter{number(lifetime, 0)}, "mallory", refused}},
		"another's permission":        {usual, {createPermission, []stun.Setter{public}, "mallory", refused}},
		"another's channel":           {usual, {channelBind, []stun.Setter{channel(0x4000), public}, "mallory", refused}},
		"no allocation to permit":     {{createPermission, []stun.Setter{public}, "", refused}},
		"no allocation to bind":       {{channelBind, []stun.Setter{channel(0x4000), public}, "", refused}},
		"nobody to permit":            {usual, {createPermission, nil, "", 400}},
		"a private peer":              {usual, {createPermission, []stun.Setter{private}, "", 403}},
		"a private peer by channel":   {usual, {channelBind, []stun.Setter{channel(0x4000), private}, "", refused}},
		"a private peer among others": {usual, {createPermission, []stun.Setter{public, private}, "", 403}},
		"a peer of another family":    {usual, {createPermission, []stun.Setter{peer("[2001:db8::1]:9")}, "", 443}},
		// The library takes these; what comes by them reaches nobody but this client.
		"a channel below":           {usual, {channelBind, []stun.Setter{channel(0x3fff), public}, "", success}},
		"a channel above":           {usual, {channelBind, []stun.Setter{channel(0x8000), public}, "", success}},
		"a channel for two":         {usual, {channelBind, []stun.Setter{channel(0x4000), public}, "", success}, {channelBind, []stun.Setter{channel(0x4000), another}, "", 400}},
		"two channels for one":      {usual, {channelBind, []stun.Setter{channel(0x4000), public}, "", success}, {channelBind, []stun.Setter{channel(0x4001), public}, "", 400}},
		"a connection by TCP":       {usual, {connect, []stun.Setter{public}, "", refused}},
		"data without a permission": {usual, {send, []stun.Setter{public, stun.RawAttribute{Type: data, Value: []byte("x")}}, "", silence}},
	} {
		t.Run(name, func(t *testing.T) {
			address, _, _ := start(t, nil)
			c := newTalker(t, address)
			for i, l := range lines {
				if got, message := c.say(l); got != l.want && !(l.want == refused && got != success) {
					t.Errorf("line %d: got %d, want %d", i, got, l.want)
				} else if seconds, err := message.Get(lifetime); l.method == allocate && got == success && (err != nil || binary.BigEndian.Uint32(seconds) > 3600) {
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
	conn, err := net.Dial("udp4", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	c := &talker{t: t, conn: conn}
	_, challenge := c.say(line{allocate, []stun.Setter{udp}, "nobody", 401})
	if err := challenge.Parse(&c.realm, &c.nonce); err != nil {
		t.Fatal(err)
	}
	return c
}

// say returns the code of the answer, and the answer.
func (c *talker) say(l line) (int, *stun.Message) {
	c.t.Helper()
	class := stun.ClassRequest
	if l.method == send {
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
