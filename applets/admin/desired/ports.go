package desired

import (
	"fmt"
	"slices"

	"chatmaild/applets/config"
)

// Port is a TCP port that the relay listens on.
type Port struct {
	Port     int
	Job      string
	Public   bool     // reached from outside
	Programs []string // that may hold it, as the kernel names them: the server first
}

// Names of the programs as the kernel has them (/proc/PID/comm).
const (
	postfixMaster = "master"
	dovecotMaster = "dovecot"
	nginxMaster   = "nginx"
	systemdInit   = "systemd"
	supervisor    = "chatmaild" // supervise, in its place
)

// Ports returns the ports of a relay, the usual public ones first, in ascending order.
func Ports(conf *config.Config) []Port {
	https := "HTTPS, IMAP and SMTP by ALPN"
	if conf.Hidden {
		https = "HTTPS"
	}
	postfix := []string{postfixMaster}
	dovecot := []string{dovecotMaster, "imap-login"}
	nginx := []string{nginxMaster}
	ports := []Port{
		{25, "SMTP from other relays", true, postfix},
		{80, "HTTP", true, nginx},
		{143, "IMAP with STARTTLS", true, dovecot},
		{443, https, true, nginx},
		submissionPort(465),
		submissionPort(587),
		{993, "IMAP with TLS", true, dovecot},
		{httpsProxyPort, "HTTPS behind port 443", false, nginx},
		submissionPort(submissionsProxyPort),
		{imapsProxyPort, "IMAP behind port 443", false, dovecot},
		{conf.PostfixReinjectPort, "Postfix, for mail from filtermail-out", false, postfix},
		{conf.PostfixReinjectPortIncoming, "Postfix, for mail from filtermail-in", false, postfix},
		{conf.FiltermailSMTPPort, "filtermail-out", false, []string{"filtermail-out", systemdInit, supervisor}},
		{conf.FiltermailSMTPPortIncoming, "filtermail-in", false, []string{"filtermail-in", systemdInit, supervisor}},
	}
	for _, port := range conf.ExtraPorts {
		ports = append(ports, Port{port, "one of extra_ports: HTTPS, IMAP and SMTP by ALPN", true, nginx})
	}
	ports = slices.Concat(ports, sitePorts(conf), websocketPorts(conf), memberPorts(conf))
	if len(conf.ProxyAddresses) > 0 {
		for _, p := range ProxiedPorts() {
			ports = append(ports, Port{p.Port, fmt.Sprintf("port %d of a machine in front", p.Public), false, nginx})
		}
		ports = append(ports,
			Port{smtpProxyPort, "SMTP behind a machine in front", false, postfix},
			submissionPort(submissionProxyPort),
			Port{imapProxyPort, "IMAP behind a machine in front", false, dovecot})
	}
	if config.Turn(conf).Own() {
		ports = append(ports, Port{config.TurnPort, "TURN", true, []string{"turn", systemdInit, supervisor}})
	}
	if conf.ACME() {
		ports = append(ports, Port{config.ACMEPort, "acme", false, []string{"acme", systemdInit, supervisor}})
	}
	return ports
}

// PublicPorts are the TCP ports by which a relay with the default configuration is
// reached.
func PublicPorts() []int { return OpenPorts(config.Defaults()) }

// CallPorts are the UDP ports of the relay's own TURN server, its own and the range from
// which it relays, as an expression of a set for nft(8); "" without one.
func CallPorts(conf *config.Config) string {
	if !config.Turn(conf).Own() {
		return ""
	}
	return fmt.Sprintf("{ %d, %s }", config.TurnPort, conf.TurnPorts)
}

// OpenPorts are all TCP ports that conf has open to the outside.
func OpenPorts(conf *config.Config) []int {
	var ports []int
	for _, p := range Ports(conf) {
		if p.Public {
			ports = append(ports, p.Port)
		}
	}
	return ports
}
