package postgres

import (
	"context"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"chatmaild/applets/config"
)

// Members returns the relay's machines, by name, as the server at address has them: none
// before SetMembers.
func Members(ctx context.Context, address string) ([]config.Member, error) {
	const list = "SELECT name, address, joining, joining AND EXISTS (SELECT FROM machines WHERE machines.name = members.name AND state = 'lost') FROM members ORDER BY name"
	rows, err := ask(ctx, address, list)
	if IsOlder(err) {
		rows, err = ask(ctx, address, "SELECT name, address, false, false FROM members ORDER BY name")
	}
	if err != nil {
		return nil, err
	}
	var all []config.Member
	for _, row := range rows {
		addr, err := netip.ParseAddr(string(row[1]))
		if err != nil {
			return nil, errRow
		}
		joining, err := decodeBool(row[2])
		if err != nil {
			return nil, err
		}
		lost, err := decodeBool(row[3])
		if err != nil {
			return nil, err
		}
		all = append(all, config.Member{Name: string(row[0]), Addr: addr, Joining: joining && !lost, Lost: lost})
	}
	return all, nil
}

// Unconfirmed is an address by which no other machine confirms what is committed: as where those
// that should are lost.
func Unconfirmed(address string) string { return address + " options='-c synchronous_commit=local'" }

// Abandon has machines that are lost confirm nothing any more, as owner of the tables, and waits for
// no confirmation of that. They stay in the list, so that they hear of it if they come back.
func Abandon(ctx context.Context, owner string, machines ...string) error {
	var names, states []string
	for _, name := range machines {
		names, states = append(names, literal(name)), append(states, "("+literal(name)+", 'lost')")
	}
	if len(names) == 0 {
		return nil
	}
	// Several statements at once are one transaction.
	_, err := ask(ctx, Unconfirmed(owner), "UPDATE members SET joining = true WHERE name IN ("+strings.Join(names, ", ")+
		"); INSERT INTO machines (name, state) VALUES "+strings.Join(states, ", ")+" ON CONFLICT (name) DO UPDATE SET state = 'lost'")
	return err
}

// LastChange returns when the last change was committed that the server at address has, which
// copies another one, by the clock of that one's machine.
func LastChange(ctx context.Context, address string) (time.Time, error) {
	rows, err := ask(ctx, address, "SELECT (extract(epoch FROM pg_last_xact_replay_timestamp()) * 1000000)::bigint")
	if err != nil {
		return time.Time{}, err
	}
	if rows[0][0] == nil { // none since it was started
		return time.Time{}, nil
	}
	at, err := strconv.ParseInt(string(rows[0][0]), 10, 64)
	if err != nil {
		return time.Time{}, errRow
	}
	return time.UnixMicro(at), nil
}

// Peer is a machine of a network that the machines make themselves, by WireGuard.
type Peer struct {
	config.Member
	Key      string // public
	Endpoint string // address:port, UDP
}

// Peers returns those that are one, by name, as the server at address has them.
func Peers(ctx context.Context, address string) ([]Peer, error) {
	rows, err := ask(ctx, address, "SELECT name, address, wireguard_key, endpoint FROM members WHERE wireguard_key <> '' ORDER BY name")
	if err != nil {
		return nil, err
	}
	var all []Peer
	for _, row := range rows {
		addr, err := netip.ParseAddr(string(row[1]))
		if err != nil {
			return nil, errRow
		}
		all = append(all, Peer{config.Member{Name: string(row[0]), Addr: addr}, string(row[2]), string(row[3])})
	}
	return all, nil
}

// SetPeer gives a machine its key and its endpoint, as owner of the tables.
func SetPeer(ctx context.Context, owner string, p Peer) error {
	_, err := ask(ctx, owner, "UPDATE members SET wireguard_key = "+literal(p.Key)+", endpoint = "+literal(p.Endpoint)+" WHERE name = "+literal(p.Name))
	return err
}

// SetMembers replaces them, at once, as owner of the tables.
func SetMembers(ctx context.Context, owner string, members []config.Member) error {
	var names, rows []string
	for _, m := range members {
		names = append(names, literal(m.Name))
		rows = append(rows, fmt.Sprintf("(%s, %s, %t)", literal(m.Name), literal(m.Addr.String()), !m.Confirms()))
	}
	if len(rows) == 0 {
		return fmt.Errorf("a relay without a machine")
	}
	// Several statements at once are one transaction.
	_, err := ask(ctx, owner, "DELETE FROM members WHERE name NOT IN ("+strings.Join(names, ", ")+"); INSERT INTO members (name, address, joining) VALUES "+
		strings.Join(rows, ", ")+" ON CONFLICT (name) DO UPDATE SET address = excluded.address, joining = excluded.joining")
	return err
}
