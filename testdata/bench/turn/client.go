package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/pion/stun/v4"
	"github.com/pion/turn/v5"

	"chatmaild/testdata/kit/turnwire"
)

// channel is the number of the one channel that a client binds.
const channel = 0x4000

// client has an allocation, and no more code for a packet than it takes to send it: a
// library's would be as busy as the server.
type client struct {
	conn           *net.UDPConn
	name, password string
	realm          stun.Realm
	nonce          stun.Nonce
	relayed        netip.AddrPort
}

// newClient makes an allocation for a user of its own, in a network of its own.
func newClient(s *server, n int) (*client, error) {
	local := &net.UDPAddr{IP: net.IPv4(127, byte(1+n/250), byte(1+n%250), 1)}
	conn, err := net.DialUDP("udp4", local, net.UDPAddrFromAddrPort(s.address))
	if err != nil {
		return nil, err
	}
	c := &client{conn: conn}
	c.name, c.password = secret.Issue(fmt.Sprint("user", n), time.Now())
	challenge, err := c.ask(turnwire.Allocate, turnwire.UDP)
	if err == nil {
		return nil, errors.Join(errors.New("it wants no password"), conn.Close())
	}
	if challenge == nil {
		return nil, errors.Join(err, conn.Close())
	}
	if err := challenge.Parse(&c.realm, &c.nonce); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	answer, err := c.ask(turnwire.Allocate, turnwire.UDP)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	var at stun.XORMappedAddress
	if err := at.GetFromAs(answer, turnwire.XORRelayedAddress); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	addr, _ := netip.AddrFromSlice(at.IP)
	c.relayed = netip.AddrPortFrom(addr.Unmap(), uint16(at.Port))
	return c, nil
}

func (c *client) close() { c.conn.Close() }

// bind binds the channel to a peer.
func (c *client) bind(peer netip.AddrPort) error {
	_, err := c.ask(turnwire.ChannelBind, turnwire.Channel(channel), turnwire.Peer(peer))
	return err
}

// ask returns an answer that is an error with that error.
func (c *client) ask(method stun.Method, with ...stun.Setter) (*stun.Message, error) {
	set := append([]stun.Setter{stun.TransactionID, stun.NewType(method, stun.ClassRequest)}, with...)
	if len(c.nonce) > 0 {
		key := turn.GenerateAuthKey(c.name, c.realm.String(), c.password)
		set = append(set, stun.NewUsername(c.name), c.realm, c.nonce, stun.MessageIntegrity(key))
	}
	m, err := stun.Build(set...)
	if err != nil {
		return nil, err
	}
	if err := c.conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return nil, err
	}
	if _, err := c.conn.Write(m.Raw); err != nil {
		return nil, err
	}
	buf := make([]byte, 1500)
	n, err := c.conn.Read(buf)
	if err != nil {
		return nil, err
	}
	answer := &stun.Message{Raw: buf[:n]}
	if err := answer.Decode(); err != nil {
		return nil, err
	}
	var code stun.ErrorCodeAttribute
	if code.GetFrom(answer) == nil {
		return answer, fmt.Errorf("error %d %s", code.Code, code.Reason)
	}
	return answer, nil
}
