// Package firewall prints packet filter rules for the relay itself. It only prints: a
// rule that locks the operator out is theirs to load, with the steps to try it safely on
// top.
package firewall

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net/netip"

	"chatmaild/applets/admin/desired"
	"chatmaild/applets/admin/nft"
	"chatmaild/applets/command"
	"chatmaild/applets/config"
)

// sshPort is where sshd listens unless told otherwise.
const sshPort = 22

// Command is chatmaild firewall.
var Command = command.Command{
	Name: "firewall", Kind: command.Admin,
	Synopsis:    "prints packet filter rules for this relay",
	Description: "They are for nft(8); a comment at the top says how to load them.",
	Examples: command.Examples{
		{"firewall >/etc/chatmail-relay.nft", "write the rules"},
		{"firewall --ssh 2222", "for an SSH server on another port"},
	},
	Bind: func(fs *flag.FlagSet) command.Run {
		ssh := fs.Int("ssh", sshPort, "accept SSH on `PORT`")
		return func(_ context.Context, env *command.Env, args []string) error {
			if len(args) > 0 {
				return command.Usagef("unexpected argument %q", args[0])
			}
			if *ssh < 1 || *ssh > 65535 {
				return command.Usagef("--ssh %d is not a port: want 1 to 65535", *ssh)
			}
			conf, err := env.Config()
			if err != nil {
				return err
			}
			return firewall(env.Stdout, conf, *ssh)
		}
	},
}

const firewallSteps = `Accepts connections to a chatmail relay, and SSH on port %d. Programs that listen only
on the loopback interface, or on ports not listed here, cannot be reached.

A relay needs no packet filter: none of its programs listens where it should not. This
one is for other programs that may run on the machine. To try it so that a mistake
costs a minute at most:

    apt install nftables
    chatmaild firewall >/etc/chatmail-relay.nft
    nft -f /etc/chatmail-relay.nft; sleep 60; nft delete table inet ` + nft.RelayTable + `

If you could open a second SSH session meanwhile, make it permanent:

    echo 'include "/etc/chatmail-relay.nft"' >>/etc/nftables.conf
    systemctl enable nftables
    systemctl restart nftables

To undo it: nft delete table inet ` + nft.RelayTable + `, and remove the line from
/etc/nftables.conf.
`

// firewall writes the rules. The ports are those that run opens, so the two cannot differ.
func firewall(w io.Writer, conf *config.Config, ssh int) error {
	var proxied []int
	for _, p := range desired.ProxiedPorts() {
		proxied = append(proxied, p.Port)
	}
	var machines []netip.Addr
	for _, m := range config.Members(conf) {
		machines = append(machines, m.Addr)
	}
	rules := nft.Relay{
		Ports: desired.OpenPorts(conf), SSH: ssh, UDP: desired.DatagramPorts(conf),
		Restricted: []nft.Restricted{{Ports: proxied, From: conf.Proxies()}, {Ports: desired.MemberPorts(), From: machines}},
	}.Text()
	_, err := fmt.Fprint(w, "#!/usr/sbin/nft -f\n", nft.Comment(fmt.Sprintf(firewallSteps, ssh)), "\n", rules)
	return err
}
