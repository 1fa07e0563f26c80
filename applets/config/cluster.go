package config

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Cluster says which of several machines of one relay this is. Its zero value: the relay
// is one machine.
type Cluster struct {
	Name    string   `toml:"name"`    // of this machine
	Members []string `toml:"members"` // all machines, this one too: "NAME ADDRESS"
}

// maxMembers is how many machines may be: each has a copy of the directory, and each may
// become its writer.
const maxMembers = 5

// Member is one machine of a relay.
type Member struct {
	Name string
	Addr netip.Addr // in the network of the machines, which nobody else can reach
}

// Members are the machines of a relay, or none if it is one machine.
func Members(c *Config) []Member {
	var all []Member
	for _, text := range c.Cluster.Members {
		if m, err := parseMember(text); err == nil {
			all = append(all, m)
		}
	}
	return all
}

// Clustered reports whether the relay is several machines.
func Clustered(c *Config) bool { return len(c.Cluster.Members) > 0 }

// Self is this machine as one of several.
func Self(c *Config) Member {
	all := Members(c)
	if i := slices.IndexFunc(all, func(m Member) bool { return m.Name == c.Cluster.Name }); i >= 0 {
		return all[i]
	}
	return Member{}
}

// DirectoryPassword is the file with the password by which the machines of a relay change
// its directory of accounts, in the form of libpq's password file.
const DirectoryPassword = "/etc/chatmail/directory.pgpass"

// Ports of a machine for the others.
const (
	MemberSMTPPort = 2525 // mail for mailboxes that are here
	MemberIMAPPort = 143  // sessions of users whose mailboxes are here
	// MemberPorterPort is where mailboxes arrive that get their home here.
	MemberPorterPort = 2526
	MemberWebPort    = 80 // whether it is there: nginx logs nothing of that
)

// parseMember reads "NAME ADDRESS".
func parseMember(text string) (Member, error) {
	bad := fmt.Errorf("%q: want the name of a machine and its address in the network of the machines, such as %q", text, "a 10.7.0.1")
	words := strings.Fields(text)
	if len(words) != 2 || len(words[0]) > maxLabel || strings.Trim(words[0], "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		return Member{}, bad
	}
	addr, err := netip.ParseAddr(words[1])
	if err != nil || addr.Zone() != "" || addr.Is4In6() || !addr.IsGlobalUnicast() {
		return Member{}, bad
	}
	return Member{words[0], addr}, nil
}

// checkMembers wants each machine once. Names stay with the mailboxes of a machine for as
// long as it lives.
func checkMembers(c *Config) error {
	switch n := len(c.Cluster.Members); {
	case n == 0 && c.Cluster.Name == "":
		return nil
	case n < 2 || n > maxMembers:
		return fmt.Errorf("%d machines: want 2 to %d", n, maxMembers)
	}
	var names []string
	var addrs []netip.Addr
	for _, text := range c.Cluster.Members {
		m, err := parseMember(text)
		if err != nil {
			return err
		}
		if slices.Contains(names, m.Name) || slices.Contains(addrs, m.Addr) {
			return fmt.Errorf("%q: the name or the address is that of another machine, too", text)
		}
		names, addrs = append(names, m.Name), append(addrs, m.Addr)
	}
	return nil
}

// checkMember wants this machine to be one of them.
func checkMember(c *Config) error {
	if Clustered(c) && Self(c) == (Member{}) {
		return fmt.Errorf("%q: want one of the names in members", c.Cluster.Name)
	}
	return nil
}

// checkEchobot: the identity of the bot is on one machine, and its account may be at home
// on another one.
func checkEchobot(c *Config) error {
	if Clustered(c) && c.Echobot {
		return errors.New("a relay of several machines has no echo bot: want false")
	}
	return nil
}
