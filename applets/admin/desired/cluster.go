package desired

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"chatmaild/applets/config"
)

// HomesSocket is where Postfix asks doveauth which of several machines has a mailbox.
const HomesSocket = "chatmaild-homes.socket"

// sealingPort is where mail from outside comes back that has lost the header fields that
// no client needs, if the relay is several machines.
const sealingPort = 10027

// member is what the templates see of one of several machines.
type member struct {
	Name, Address      string // of this one
	Others             string // addresses of the others
	SMTPPort, IMAPPort int
	SealingPort        int
	DirectoryPort      int

	Machines    []string // addresses of all, as prefixes
	HBA         string   // path
	Synchronous string   // who confirms a commit: synchronous_standby_names
	Primary     string   // the writer, whichever it is: primary_conninfo
}

// Replication is the role by which a machine copies the directory of another one.
const Replication = "chatmaild_replication"

// ReplicationPassword is the file that has its password for PostgreSQL itself.
const ReplicationPassword = "/var/lib/postgresql/chatmaild.pgpass"

// Primary is the connection string of the writer for who copies it.
func Primary(conf *config.Config) string {
	var hosts []string
	for _, m := range config.Asked(conf) {
		hosts = append(hosts, m.Addr.String())
	}
	return "host=" + strings.Join(hosts, ",") + " user=" + Replication + " passfile=" + ReplicationPassword +
		" sslmode=disable target_session_attrs=read-write tcp_user_timeout=2000"
}

// synchronous has the writer and those who confirm its commits be a majority; "" where the
// writer is alone, as before the second machine joins.
func synchronous(members []config.Member) string {
	if len(members) < 2 {
		return ""
	}
	var names []string
	for _, m := range members {
		names = append(names, `"`+m.Name+`"`)
	}
	return fmt.Sprintf("ANY %d (%s)", len(members)/2, strings.Join(names, ", "))
}

// newMember returns nil if the relay is one machine.
func newMember(conf *config.Config, server PostgreSQL) *member {
	if !config.Clustered(conf) {
		return nil
	}
	self := config.Self(conf)
	var others, machines []string
	for _, m := range config.Members(conf) {
		machines = append(machines, netip.PrefixFrom(m.Addr, m.Addr.BitLen()).String())
		if m.Name != self.Name {
			others = append(others, m.Addr.String())
		}
	}
	return &member{
		Name: self.Name, Address: self.Addr.String(), Others: strings.Join(others, " "),
		SMTPPort: config.MemberSMTPPort, IMAPPort: config.MemberIMAPPort, SealingPort: sealingPort, DirectoryPort: config.MemberDirectoryPort,
		Machines: machines, HBA: server.HBA(),
		Synchronous: synchronous(config.Confirming(conf)), Primary: Primary(conf),
	}
}

// Addresses are those of the other machines.
func (m *member) Addresses() []string { return strings.Fields(m.Others) }

// Networks are the same as Postfix's mynetworks has them.
func (m *member) Networks() string {
	var all []string
	for _, addr := range m.Addresses() {
		if strings.Contains(addr, ":") {
			addr = "[" + addr + "]"
		}
		all = append(all, addr)
	}
	return strings.Join(all, " ")
}

// Listen is this machine's address, as Postfix's master.cf has it.
func (m *member) Listen() string {
	if strings.Contains(m.Address, ":") {
		return "[" + m.Address + "]"
	}
	return m.Address
}

// clusterDropins let the daemons that ask the directory of accounts reach the machine that
// is its writer, and doveauth tell Postfix where mailboxes are.
func clusterDropins(conf *config.Config, version PostgreSQL) []File {
	const network = "[Service]\nPrivateNetwork=no\nRestrictAddressFamilies=AF_INET AF_INET6"
	doveauth := dropin("chatmaild-doveauth.service", "cluster",
		"[Unit]\nRequires="+HomesSocket+"\n"+network+"\nSockets="+HomesSocket)
	// A writer that was replaced while it was down does not start.
	server := dropin(version.Unit(), "chatmaild",
		"[Unit]\nWants=network-online.target\nAfter=network-online.target wg-quick@"+MeshInterface+".service\n[Service]\nExecCondition=/usr/sbin/chatmaild cluster check")
	bot := dropin(Echobot, "cluster", "[Service]\nExecCondition=+/usr/sbin/chatmaild cluster bot")
	limits := dropin(FiltermailOut, "cluster", "[Unit]\nAfter=wg-quick@"+MeshInterface+".service")
	files := []File{doveauth, bot, limits, dropin("chatmaild-expire.service", "cluster", network), dropin(Web, "cluster", network), server}
	for i := range files {
		files[i].Absent = !config.Clustered(conf)
	}
	return files
}

// ClusterService follows what all machines share: ClusterTimer starts it.
const (
	ClusterService = "chatmail-cluster.service"
	ClusterTimer   = "chatmail-cluster.timer"
)

// FollowUnits have this machine follow what all machines share.
func FollowUnits(conf *config.Config) []string {
	if !config.Clustered(conf) {
		return nil
	}
	return []string{ClusterTimer}
}

// atStart are the settings of PostgreSQL that it reads only then, of those that we have.
var atStart = []string{"listen_addresses", "cluster_name", "hba_file"}

// PostgreSQLReloads reports whether its server takes a change of its configuration without
// a restart, which puts off new accounts of the whole relay.
func PostgreSQLReloads(former, content []byte) bool {
	return len(former) > 0 && slices.Equal(startLines(former), startLines(content))
}

func startLines(text []byte) (lines []string) {
	for line := range strings.Lines(string(text)) {
		if name, _, ok := strings.Cut(line, "="); ok && slices.Contains(atStart, strings.TrimSpace(name)) {
			lines = append(lines, line)
		}
	}
	return lines
}

// ClusterUnits are the units of a relay of several machines: before all others, the server
// that has the directory of accounts.
func ClusterUnits(conf *config.Config, version PostgreSQL) []string {
	if !config.Clustered(conf) {
		return nil
	}
	return []string{version.Unit()}
}

// MemberUnits are the daemons that only a relay of several machines has.
func MemberUnits(conf *config.Config) []string {
	if !config.Clustered(conf) {
		return nil
	}
	return []string{"chatmaild-porter.service"}
}

// MemberPorts are the ports of a machine that are for the relay's other machines alone.
func MemberPorts() []int {
	return []int{config.MemberSMTPPort, config.MemberPorterPort, config.MemberLimitPort, config.MemberSignupPort, config.MemberDirectoryPort}
}

// memberPorts are those that it listens on beside the ports of a relay that is one machine.
func memberPorts(conf *config.Config) []Port {
	if !config.Clustered(conf) {
		return nil
	}
	postfix := []string{postfixMaster}
	return []Port{
		{config.MemberSMTPPort, "mail from the other machines", false, postfix},
		{config.MemberPorterPort, "mailboxes from the other machines", false, []string{"chatmaild", "porter"}},
		{sealingPort, "Postfix, for mail from outside with fewer header fields", false, postfix},
		{config.MemberLimitPort, "the limit on sending, which another machine asks about", false, []string{"filtermail-out"}},
		{config.MemberSignupPort, "the limit on new accounts, which another machine asks about", false, []string{"doveauth"}},
		{config.MemberDirectoryPort, "PostgreSQL, with the directory of accounts", false, []string{"postgres"}},
	}
}
