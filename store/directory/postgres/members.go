package postgres

import (
	"context"
	"fmt"
	"net/netip"
	"strings"

	"chatmaild/applets/config"
)

// Members returns the relay's machines, by name, as the server at address has them: none
// before SetMembers.
func Members(ctx context.Context, address string) ([]config.Member, error) {
	rows, err := ask(ctx, address, "SELECT name, address, joining FROM members ORDER BY name")
	if IsOlder(err) {
		rows, err = ask(ctx, address, "SELECT name, address, false FROM members ORDER BY name")
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
		all = append(all, config.Member{Name: string(row[0]), Addr: addr, Joining: joining})
	}
	return all, nil
}

// Abandon takes a machine off the list that is lost, as owner of the tables, and waits for no
// other machine to confirm it: there is none.
func Abandon(ctx context.Context, owner, machine string) error {
	_, err := ask(ctx, owner, "SET synchronous_commit = local; DELETE FROM members WHERE name = "+literal(machine)+
		"; INSERT INTO machines (name, state) VALUES ("+literal(machine)+", 'lost') ON CONFLICT (name) DO UPDATE SET state = 'lost'")
	return err
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
		rows = append(rows, fmt.Sprintf("(%s, %s, %t)", literal(m.Name), literal(m.Addr.String()), m.Joining))
	}
	if len(rows) == 0 {
		return fmt.Errorf("a relay without a machine")
	}
	// Several statements at once are one transaction.
	_, err := ask(ctx, owner, "DELETE FROM members WHERE name NOT IN ("+strings.Join(names, ", ")+"); INSERT INTO members (name, address, joining) VALUES "+
		strings.Join(rows, ", ")+" ON CONFLICT (name) DO UPDATE SET address = excluded.address, joining = excluded.joining")
	return err
}
