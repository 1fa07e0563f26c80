package config

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// Cluster says which of several machines of one relay this is. Its zero value: the relay
// is one machine.
type Cluster struct {
	Name    string   `toml:"name"`    // of this machine
	Members []string `toml:"members"` // all machines, this one too: as ParseMember reads them
}

// maxMembers is how many machines may be: each has a copy of the directory, and each may
// become its writer.
const maxMembers = 5

// Member is one machine of a relay.
type Member struct {
	Name string
	Addr netip.Addr // in the network of the machines, which nobody else can reach
	// Joining says that it has no copy of the directory yet: it confirms nothing.
	Joining bool
	// Lost says that it confirms nothing any more, since it was given up together with so many
	// others that those which are left are no majority. It stays in the list so that it is
	// told, if it comes back.
	Lost bool
}

// joining and lost are the words after the address of a member that is.
const (
	joining = "joining"
	lost    = "lost"
)

// String is what ParseMember reads.
func (m Member) String() string {
	text := m.Name + " " + m.Addr.String()
	switch {
	case m.Joining:
		text += " " + joining
	case m.Lost:
		text += " " + lost
	}
	return text
}

// Confirms reports whether the machine is one of those that confirm what the writer commits, and
// may become it.
func (m Member) Confirms() bool { return !m.Joining && !m.Lost }

// Members are the machines of a relay, or none if it is one machine.
func Members(c *Config) []Member {
	var all []Member
	for _, text := range c.Cluster.Members {
		if m, err := ParseMember(text); err == nil {
			all = append(all, m)
		}
	}
	return all
}

// MemberNames are the names of the machines.
func MemberNames(c *Config) (names []string) {
	for _, m := range Members(c) {
		names = append(names, m.Name)
	}
	return names
}

// Confirming are those of them that confirm what the writer commits, and may become it.
func Confirming(c *Config) []Member {
	return slices.DeleteFunc(Members(c), func(m Member) bool { return !m.Confirms() })
}

// Asked are those whose word about the directory counts: one that was given up, and is back, may
// have another one, and take itself for its writer.
func Asked(c *Config) []Member {
	return slices.DeleteFunc(Members(c), func(m Member) bool { return m.Lost })
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

// InvitesPassword is likewise that of the web daemon, which takes uses of invites.
const InvitesPassword = "/etc/chatmail/invites.pgpass"

// Ports of a machine for the others.
const (
	MemberSMTPPort = 2525 // mail for mailboxes that are here
	MemberIMAPPort = 143  // sessions of users whose mailboxes are here
	// MemberPorterPort is where mailboxes arrive that get their home here.
	MemberPorterPort = 2526
	// MemberDirectoryPort is where the others ask and copy the directory.
	MemberDirectoryPort = 5432
	MemberLimitPort     = 2527 // whether a user may send whose mail this one counts
	// MemberSignupPort is where is asked whether there may be another account, if this one counts.
	MemberSignupPort = 2528
	MemberWebPort    = 80 // whether it is there: nginx logs nothing of that
)

// ParseMember reads "NAME ADDRESS", as the list of machines has it, or with "joining" or
// "lost" after that.
func ParseMember(text string) (m Member, err error) {
	bad := fmt.Errorf("%q: want the name of a machine and its address in the network of the machines, such as %q", text, "a 10.7.0.1")
	words := strings.Fields(text)
	if len(words) == 3 {
		m.Joining, m.Lost = words[2] == joining, words[2] == lost
		if !m.Confirms() {
			words = words[:2]
		}
	}
	if len(words) != 2 || len(words[0]) > maxLabel || strings.Trim(words[0], "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		return Member{}, bad
	}
	m.Name = words[0]
	if m.Addr, err = netip.ParseAddr(words[1]); err != nil || m.Addr.Zone() != "" || m.Addr.Is4In6() || !m.Addr.IsGlobalUnicast() {
		return Member{}, bad
	}
	return m, nil
}

// checkMembers wants each machine once. Names stay with the mailboxes of a machine for as
// long as it lives.
func checkMembers(c *Config) error {
	if len(c.Cluster.Members) == 0 && c.Cluster.Name == "" {
		return nil
	}
	for _, text := range c.Cluster.Members {
		if _, err := ParseMember(text); err != nil {
			return err
		}
	}
	return CheckMembers(Members(c))
}

// CheckMembers fails if these machines cannot be one relay.
func CheckMembers(members []Member) error {
	if n := len(members); n < 1 || n > maxMembers {
		return fmt.Errorf("%d machines: want 1 to %d", n, maxMembers)
	}
	for i, m := range members {
		if slices.ContainsFunc(members[:i], func(other Member) bool { return other.Name == m.Name || other.Addr == m.Addr }) {
			return fmt.Errorf("%q: the name or the address is that of another machine, too", m)
		}
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

// tableHeader begins a table of TOML.
var tableHeader = regexp.MustCompile(`^\s*\[+\s*([A-Za-z0-9_."'-]+)\s*\]`)

// WithMembers returns the text of a configuration in which the machine that is called name
// is one of members. Comments in the table that it replaces stay.
func WithMembers(text, name string, members []Member) (string, error) {
	table := fmt.Sprintf("[cluster]\nname = %q\nmembers = [\n", name)
	for _, m := range members {
		table += fmt.Sprintf("\t%q,\n", m)
	}
	table += "]\n"
	var b strings.Builder
	in, done := false, false
	for line := range strings.Lines(text) {
		if header := tableHeader.FindStringSubmatch(line); header != nil {
			if in = header[1] == "cluster"; in {
				b.WriteString(table)
				done = true
				continue
			}
		}
		if trimmed := strings.TrimSpace(line); in && trimmed != "" && !strings.HasPrefix(trimmed, "#") {
			continue
		}
		b.WriteString(line)
	}
	if !done {
		text := b.String()
		b.Reset()
		b.WriteString(strings.TrimRight(text, "\n") + "\n\n" + table)
	}
	conf, err := Parse("the configuration with other machines", b.String())
	if err != nil {
		return "", err
	}
	if conf.Cluster.Name != name || !slices.Equal(Members(conf), members) {
		return "", fmt.Errorf("[cluster] of the configuration is written in a way that is not understood here: write it as\n%s", table)
	}
	return b.String(), nil
}
