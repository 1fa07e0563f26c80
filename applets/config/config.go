// Package config is the configuration file, /etc/chatmail/chatmail.toml: its keys,
// their defaults, and all that can be wrong with them. The keys are those of the
// Python relay's chatmail.ini; see chatmail.toml(5).
//
// Loading is strict and total: an unknown key or a bad value is an error that
// names the key, the line, the value and what is allowed. A Config that Load
// returned needs no further checks.
package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"chatmaild/auth/mailaddr"
)

// DefaultPath is where the configuration is unless --config or $CHATMAIL_CONFIG
// says otherwise.
const DefaultPath = "/etc/chatmail/chatmail.toml"

// Config is the configuration of a relay. Ports, sockets and directories come from
// here alone, so that two relays' applets can run side by side.
type Config struct {
	MailDomain string `toml:"mail_domain"`
	Hostname   string `toml:"hostname"` // "": mail_domain
	Hidden     bool   `toml:"hidden"`   // nothing says to strangers what this is

	MaxUserSendPerMinute int  `toml:"max_user_send_per_minute"`
	MaxUserSendBurstSize int  `toml:"max_user_send_burst_size"`
	MaxMailboxSize       Size `toml:"max_mailbox_size"`
	MaxMessageSize       Size `toml:"max_message_size"`

	DeleteMailsAfter         int `toml:"delete_mails_after"`          // days
	DeleteLargeAfter         int `toml:"delete_large_after"`          // days
	DeleteInactiveUsersAfter int `toml:"delete_inactive_users_after"` // days

	UsernameMinLength int `toml:"username_min_length"`
	UsernameMaxLength int `toml:"username_max_length"`
	PasswordMinLength int `toml:"password_min_length"`
	BcryptCost        int `toml:"bcrypt_cost"` // the binary logarithm of its rounds

	Registration                   string   `toml:"registration"` // "open", "invite" or "closed"
	MaxRegistrationsPerMinute      int      `toml:"max_registrations_per_minute"`
	MaxNetworkRegistrationsPerHour int      `toml:"max_network_registrations_per_hour"`
	MaxNetworkRegistrationsPerDay  int      `toml:"max_network_registrations_per_day"`
	ReservedUsernames              []string `toml:"reserved_usernames"`
	RefusedPasswordLengths         []int    `toml:"refused_password_lengths"`

	PassthroughSenders    []string `toml:"passthrough_senders"`    // "addr" or "@domain"
	PassthroughRecipients []string `toml:"passthrough_recipients"` // likewise

	MaxLoad1m          float64 `toml:"max_load_1m"`
	MinAvailableMemory Size    `toml:"min_available_memory"`
	MinFreeDiskSpace   Size    `toml:"min_free_disk_space"`
	NocreateFile       string  `toml:"nocreate_file"`

	MaxIMAPConnections int `toml:"max_imap_connections"`
	MaxSMTPConnections int `toml:"max_smtp_connections"`
	MaxSMTPRecipients  int `toml:"max_smtp_recipients"` // of one message; clients are told by METADATA

	ExtraPorts []int `toml:"extra_ports"` // that serve all that port 443 does

	OtherSites []string `toml:"other_sites"` // see Site

	FiltermailSMTPPort          int `toml:"filtermail_smtp_port"`
	FiltermailSMTPPortIncoming  int `toml:"filtermail_smtp_port_incoming"`
	FiltermailMaxInFlight       int `toml:"filtermail_max_in_flight"` // messages at once, for each direction
	PostfixReinjectPort         int `toml:"postfix_reinject_port"`
	PostfixReinjectPortIncoming int `toml:"postfix_reinject_port_incoming"`

	MailboxesDir string `toml:"mailboxes_dir"`
	StateDir     string `toml:"state_dir"`
	RuntimeDir   string `toml:"runtime_dir"`

	NotifyURL URLs `toml:"notify_url"` // the first that answers is used

	TLSExternalCertAndKey string `toml:"tls_external_cert_and_key"` // two paths, separated by a space
	ACMEEmail             string `toml:"acme_email"`
	ACMEDirectory         string `toml:"acme_directory"`
	ACMEDNSServer         string `toml:"acme_dns_server"` // host or host:port; with it challenges are DNS-01
	ACMEDNSKey            string `toml:"acme_dns_key"`    // path

	Transport    string `toml:"transport"` // to other relays: "postfix" or "chatmaild"
	DKIMSelector string `toml:"dkim_selector"`
	DKIMVerify   bool   `toml:"dkim_verify"`

	MetricsAddress string `toml:"metrics_address"` // host:port
	PublicMetrics  bool   `toml:"public_metrics"`

	Turn                 string   `toml:"turn"`                  // "on" or "off"
	TurnPorts            string   `toml:"turn_ports"`            // of relayed addresses: "first-last"
	TurnExternalAddress  []string `toml:"turn_external_address"` // one of a family, behind NAT
	TurnServer           string   `toml:"turn_server"`           // host:port of another one
	TurnServerSecret     string   `toml:"turn_server_secret"`    // path
	MaxTurnPerUser       int      `toml:"max_turn_per_user"`     // allocations
	MaxTurnBandwidth     Size     `toml:"max_turn_bandwidth"`    // bytes a second
	MaxTurnUserBandwidth Size     `toml:"max_turn_user_bandwidth"`

	Iroh                   string `toml:"iroh"`             // "on" or "off"
	IrohRelay              string `toml:"iroh_relay"`       // the URL of another one
	MaxIrohClients         int    `toml:"max_iroh_clients"` // at once
	MaxIrohBandwidth       Size   `toml:"max_iroh_bandwidth"`
	MaxIrohClientBandwidth Size   `toml:"max_iroh_client_bandwidth"` // bytes a second

	Websocket           bool `toml:"websocket"`
	MaxWebsocketClients int  `toml:"max_websocket_clients"` // at once

	AppVersionsFile string `toml:"appversions_file"` // path

	DisableIPv6 bool `toml:"disable_ipv6"`

	ProxyAddresses []string `toml:"proxy_addresses"` // of machines in front of the relay

	IMAPRawlog      bool `toml:"imap_rawlog"`
	IMAPCompress    bool `toml:"imap_compress"`
	IMAPInstantIdle bool `toml:"imap_instant_idle"`

	Echobot       bool     `toml:"echobot"`
	ProbeInterval Interval `toml:"probe_interval"` // "": never

	WWWFolder         string `toml:"www_folder"`
	PrivacyPostal     string `toml:"privacy_postal"`
	PrivacyMail       string `toml:"privacy_mail"`
	PrivacyPDO        string `toml:"privacy_pdo"`
	PrivacySupervisor string `toml:"privacy_supervisor"`

	Cluster Cluster `toml:"cluster"`
}

// Defaults returns the configuration in which only the domain is missing.
func Defaults() *Config {
	return &Config{
		MaxUserSendPerMinute: 60,
		MaxUserSendBurstSize: 10,
		MaxMailboxSize:       500 << 20,
		MaxMessageSize:       30 << 20,

		DeleteMailsAfter:         20,
		DeleteLargeAfter:         7,
		DeleteInactiveUsersAfter: 90,

		UsernameMinLength: 9,
		UsernameMaxLength: 9,
		PasswordMinLength: 9,
		BcryptCost:        4,

		Registration:                   "open",
		MaxRegistrationsPerMinute:      300,
		MaxNetworkRegistrationsPerHour: 1500,
		MaxNetworkRegistrationsPerDay:  1500,
		ReservedUsernames:              []string{},
		RefusedPasswordLengths:         []int{},

		PassthroughSenders:    []string{},
		PassthroughRecipients: []string{},

		MaxLoad1m:          5,
		MinAvailableMemory: 200 << 20,
		MinFreeDiskSpace:   1 << 30,
		NocreateFile:       "/etc/chatmail-nocreate",

		MaxIMAPConnections: 10000,
		MaxSMTPConnections: 1000,
		MaxSMTPRecipients:  1000,

		ExtraPorts: []int{},
		OtherSites: []string{},

		FiltermailSMTPPort:          10080,
		FiltermailSMTPPortIncoming:  10081,
		FiltermailMaxInFlight:       100,
		PostfixReinjectPort:         10025,
		PostfixReinjectPortIncoming: 10026,

		StateDir:   "/var/lib/chatmaild",
		RuntimeDir: "/run/chatmaild",

		PublicMetrics: true,

		NotifyURL: URLs{"https://notifications.delta.chat/notify"},

		Transport:    "chatmaild",
		DKIMSelector: "opendkim",
		DKIMVerify:   true,

		Turn:                 "on",
		TurnPorts:            "61000-61999",
		TurnExternalAddress:  []string{},
		MaxTurnPerUser:       10,
		MaxTurnBandwidth:     25 << 20,
		MaxTurnUserBandwidth: 1 << 20,

		Iroh:                   "on",
		MaxIrohClients:         5000,
		MaxIrohBandwidth:       25 << 20,
		MaxIrohClientBandwidth: 1 << 20,

		MaxWebsocketClients: 2000,

		ProxyAddresses: []string{},

		IMAPInstantIdle: true,

		Echobot:       true,
		ProbeInterval: "5m",

		Cluster: Cluster{Members: []string{}},
	}
}

// Literal returns the address of a relay that has one in place of a name.
func (c *Config) Literal() (addr netip.Addr, ok bool) {
	addr, err := netip.ParseAddr(c.MailDomain)
	return addr, err == nil
}

// Host is what clients and other relays connect to: hostname, or else mail_domain.
func Host(c *Config) string {
	if c.Hostname != "" {
		return c.Hostname
	}
	return c.MailDomain
}

// Guest reports whether the web site of mail_domain is another machine's, and the relay
// has a host name of its own.
func Guest(c *Config) bool { return Host(c) != c.MailDomain }

// Proxies are the machines in front of the relay that proxy_addresses names.
func (c *Config) Proxies() []netip.Addr {
	var proxies []netip.Addr
	for _, text := range c.ProxyAddresses {
		if addr, err := netip.ParseAddr(text); err == nil {
			proxies = append(proxies, addr)
		}
	}
	return proxies
}

// AddressDomain is what stands behind the @ of an address on this relay: mail_domain, or a
// literal.
func (c *Config) AddressDomain() string { return mailaddr.Domain(c.MailDomain) }

// Hostname is what the relay calls itself to others. Postfix takes no address for a
// name, so a relay at one has the name under which the DNS files it (RFC 1035
// §3.5, RFC 3596 §2.5), as with the Python relay.
func Hostname(c *Config) string {
	ip, literal := c.Literal()
	if !literal {
		return Host(c)
	}
	var b strings.Builder
	for _, octet := range slices.Backward(ip.AsSlice()) {
		if ip.Is4() {
			fmt.Fprintf(&b, "%d.", octet)
		} else {
			fmt.Fprintf(&b, "%x.%x.", octet&0xf, octet>>4)
		}
	}
	if ip.Is4() {
		return b.String() + "in-addr.arpa"
	}
	return b.String() + "ip6.arpa"
}

// OwnTransport reports whether the transport daemon delivers to other relays; else Postfix does.
func OwnTransport(c *Config) bool { return c.Transport == "chatmaild" }

// Outward reports whether what leaves passes through the transport daemon: to be delivered,
// or at least to be signed.
func Outward(c *Config) bool { return OwnTransport(c) || Signs(c) }

// Signs reports whether the relay signs with DKIM what leaves: it has a name that a DNS
// record can belong to.
func Signs(c *Config) bool {
	_, literal := c.Literal()
	return !literal
}
