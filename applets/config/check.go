package config

import (
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"chatmaild/auth/mailaddr"
)

// Bounds that come from elsewhere.
const (
	maxLocalPart = 64 // bytes; RFC 5321 §4.5.3.1.1
	maxPassword  = 72 // bytes; bcrypt reads no more
	maxDomain    = 253
	maxLabel     = 63

	minBcryptCost = 4
	maxBcryptCost = 14 // more than a second for each login
)

// check returns the first key with a bad value, and what is wrong with it.
func check(c *Config) (key string, err error) {
	checks := []struct {
		key string
		err error
	}{
		{"mail_domain", CheckDomain(c.MailDomain)},
		{"hostname", checkHostname(c)},
		{"hidden", checkHidden(c)},
		{"max_user_send_per_minute", atLeast(c.MaxUserSendPerMinute, 1)},
		{"max_user_send_burst_size", atLeast(c.MaxUserSendBurstSize, 1)},
		{"max_mailbox_size", atLeast(c.MaxMailboxSize, 1<<20)},
		{"max_message_size", between(c.MaxMessageSize, 64<<10, c.MaxMailboxSize)},
		{"delete_mails_after", atLeast(c.DeleteMailsAfter, 1)},
		{"delete_large_after", atLeast(c.DeleteLargeAfter, 1)},
		{"delete_inactive_users_after", atLeast(c.DeleteInactiveUsersAfter, 1)},
		{"username_min_length", between(c.UsernameMinLength, 1, maxLocalPart)},
		{"username_max_length", between(c.UsernameMaxLength, c.UsernameMinLength, maxLocalPart)},
		{"password_min_length", between(c.PasswordMinLength, 1, maxPassword)},
		{"bcrypt_cost", between(c.BcryptCost, minBcryptCost, maxBcryptCost)},
		{"registration", oneOf(c.Registration, "open", "invite", "closed")},
		{"max_registrations_per_minute", atLeast(c.MaxRegistrationsPerMinute, 1)},
		{"max_network_registrations_per_hour", atLeast(c.MaxNetworkRegistrationsPerHour, 1)},
		{"max_network_registrations_per_day", atLeast(c.MaxNetworkRegistrationsPerDay, 1)},
		{"reserved_usernames", checkNames(c.ReservedUsernames)},
		{"refused_password_lengths", checkLengths(c.RefusedPasswordLengths)},
		{"passthrough_senders", checkPatterns(c.PassthroughSenders)},
		{"passthrough_recipients", checkPatterns(c.PassthroughRecipients)},
		{"max_load_1m", atLeast(c.MaxLoad1m, 0.1)},
		{"min_available_memory", atLeast(c.MinAvailableMemory, 0)},
		{"min_free_disk_space", atLeast(c.MinFreeDiskSpace, 0)},
		{"nocreate_file", absolute(c.NocreateFile)},
		{"max_imap_connections", atLeast(c.MaxIMAPConnections, 1)},
		{"max_smtp_connections", atLeast(c.MaxSMTPConnections, 1)},
		{"max_smtp_recipients", atLeast(c.MaxSMTPRecipients, 1)},
		{"extra_ports", checkExtraPorts(c)},
		{"other_sites", checkSites(c)},
		{"filtermail_smtp_port", checkPort(c, c.FiltermailSMTPPort)},
		{"filtermail_smtp_port_incoming", checkPort(c, c.FiltermailSMTPPortIncoming)},
		{"filtermail_max_in_flight", between(c.FiltermailMaxInFlight, 1, 10000)},
		{"postfix_reinject_port", checkPort(c, c.PostfixReinjectPort)},
		{"postfix_reinject_port_incoming", checkPort(c, c.PostfixReinjectPortIncoming)},
		{"mailboxes_dir", absolute(c.MailboxesDir)},
		{"state_dir", absolute(c.StateDir)},
		{"runtime_dir", absolute(c.RuntimeDir)},
		{"notify_url", checkURLs(c.NotifyURL)},
		{"metrics_address", optional(c.MetricsAddress, checkListen)},
		{"tls_external_cert_and_key", checkExternalTLS(c)},
		{"acme_email", optional(c.ACMEEmail, checkAddress)},
		{"acme_directory", optional(c.ACMEDirectory, checkURL)},
		{"acme_dns_server", checkDNSServer(c)},
		{"acme_dns_key", checkDNSKey(c)},
		{"transport", oneOf(c.Transport, "postfix", "chatmaild")},
		{"dkim_selector", checkSelector(c.DKIMSelector)},
		{"turn", oneOf(c.Turn, "on", "off")},
		{"turn_ports", checkTurnPorts(c)},
		{"turn_external_address", checkExternal(c.TurnExternalAddress)},
		{"turn_server", optional(c.TurnServer, checkTurnServer)},
		{"turn_server_secret", checkTurnSecret(c)},
		{"max_turn_per_user", atLeast(c.MaxTurnPerUser, 1)},
		{"max_turn_bandwidth", atLeast(c.MaxTurnBandwidth, minTurnBandwidth)},
		{"max_turn_user_bandwidth", between(c.MaxTurnUserBandwidth, minTurnBandwidth, c.MaxTurnBandwidth)},
		{"iroh", oneOf(c.Iroh, "on", "off")},
		{"iroh_relay", optional(c.IrohRelay, checkURL)},
		{"max_iroh_clients", between(c.MaxIrohClients, 1, maxIrohClients)},
		{"max_iroh_bandwidth", atLeast(c.MaxIrohBandwidth, minIrohBandwidth)},
		{"max_iroh_client_bandwidth", between(c.MaxIrohClientBandwidth, minIrohBandwidth, c.MaxIrohBandwidth)},
		{"max_websocket_clients", between(c.MaxWebsocketClients, 1, maxWebsocketClients)},
		{"disable_ipv6", checkDisableIPv6(c)},
		{"appversions_file", optional(c.AppVersionsFile, checkPublic)},
		{"probe_interval", c.ProbeInterval.check()},
		{"proxy_addresses", checkAddresses(c.ProxyAddresses)},
		{"www_folder", optional(c.WWWFolder, absolute)},
		{"privacy_mail", optional(c.PrivacyMail, checkAddress)},
		{"cluster.members", checkMembers(c)},
		{"cluster.name", checkMember(c)},
	}
	for _, check := range checks {
		if check.err != nil {
			return check.key, check.err
		}
	}
	return "", nil
}

type number interface{ ~int | ~int64 | ~float64 }

func atLeast[N number](n, low N) error {
	if !(n >= low) { // nor is NaN
		return fmt.Errorf("%v is too small: at least %v", n, low)
	}
	return nil
}

func between[N number](n, low, high N) error {
	if n < low || n > high {
		return fmt.Errorf("%v is out of range: from %v to %v", n, low, high)
	}
	return nil
}

func oneOf(value string, allowed ...string) error {
	if !slices.Contains(allowed, value) {
		return fmt.Errorf("%q: want one of %q", value, allowed)
	}
	return nil
}

// checkNames accepts what may stand before the @ of an address.
func checkNames(names []string) error {
	for _, name := range names {
		if name == "" || len(name) > maxLocalPart || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789._-") != "" {
			return fmt.Errorf("%q: want the part before the @ of an address, in lower case", name)
		}
	}
	return nil
}

func checkLengths(lengths []int) error {
	for _, n := range lengths {
		if err := between(n, 1, maxPassword); err != nil {
			return err
		}
	}
	return nil
}

func optional(value string, check func(string) error) error {
	if value == "" {
		return nil
	}
	return check(value)
}

func absolute(path string) error {
	if !filepath.IsAbs(path) || filepath.Clean(path) != path || strings.ContainsAny(path, " \t\r\n\"'\\$%{};#") {
		return fmt.Errorf("%q: want an absolute path without spaces, quotes, %%, $ or a slash at its end", path)
	}
	return nil
}

// checkPublic accepts the path of a file that a daemon reads, which sees nothing of /home
// and /root.
func checkPublic(path string) error {
	if strings.HasPrefix(path, "/home/") || strings.HasPrefix(path, "/root/") {
		return fmt.Errorf("%q: the daemons cannot see /home and /root: want it elsewhere, such as in /etc/chatmail", path)
	}
	return absolute(path)
}

// isLabel says whether text can be a part of a host's name: letters in lower case,
// digits, and hyphens inside (RFC 1123 §2.1). Every daemon reads the configuration: a
// regular expression would take 40 KB in each.
func isLabel(text string) bool {
	return text != "" && len(text) <= maxLabel && text[0] != '-' && text[len(text)-1] != '-' &&
		strings.Trim(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

// Domain returns what an operator typed as a domain in the spelling of mail_domain. It may
// be an address, in any spelling, or a literal (RFC 5321 §4.1.3).
func Domain(typed string) string {
	if addr, ok := mailaddr.ParseLiteral(typed); ok {
		return addr.String()
	}
	if addr, err := netip.ParseAddr(typed); err == nil {
		return addr.String()
	}
	return strings.ToLower(typed)
}

// CheckDomain says why name cannot be a mail_domain. It accepts an IP address in its
// canonical spelling (RFC 5952), and a fully qualified host name in lower case, whose first
// label may begin with "_".
func CheckDomain(name string) error {
	if addr, ok := (&Config{MailDomain: name}).Literal(); ok {
		switch {
		case addr.Zone() != "" || addr.IsLinkLocalUnicast() && addr.Is6():
			return fmt.Errorf("%q is an address of one network link: want one that others reach", name)
		case addr.Is4In6():
			return fmt.Errorf("%q is an IPv4 address: want %s", name, addr.Unmap())
		case addr.String() != name:
			return fmt.Errorf("%q has another spelling of that address: want %s", name, addr)
		}
		return nil
	}
	bad := fmt.Errorf("%q is not a valid domain: want a name such as chat.example.org, in lower case, or an IP address", name)
	labels := strings.Split(strings.TrimPrefix(name, "_"), ".")
	if len(labels) < 2 || len(name) > maxDomain {
		return bad
	}
	for _, l := range labels {
		if !isLabel(l) {
			return bad
		}
	}
	if last := labels[len(labels)-1]; strings.Trim(last, "0123456789") == "" {
		return bad
	}
	return nil
}

// checkHostname wants a name with a certificate that others verify, for a mail domain that
// they look up in the DNS.
func checkHostname(c *Config) error {
	switch {
	case c.Hostname == "":
		return nil
	case c.SelfSigned():
		return fmt.Errorf("%q: mail_domain %q has no DNS records that could lead to another name: want none", c.Hostname, c.MailDomain)
	case SelfSigned(c.Hostname):
		return fmt.Errorf("%q: want a name such as chat.example.org, for which an authority issues certificates", c.Hostname)
	}
	return CheckDomain(c.Hostname)
}

// checkHidden refuses what shows anyone who tries that this is a relay.
func checkHidden(c *Config) error {
	switch {
	case c.Hidden && c.Registration == "open":
		return errors.New(`registration = "open" lets anyone in who logs in with any password, which shows what this is: want "invite" or "closed"`)
	case c.Hidden && c.MetricsAddress != "" && !onlyHere(c.MetricsAddress):
		return fmt.Errorf("metrics_address %q shows others the metrics of a relay: want 127.0.0.1, or none", c.MetricsAddress)
	}
	return nil
}

// onlyHere reports whether nobody else reaches an address with a port.
func onlyHere(listen string) bool {
	host, _, err := net.SplitHostPort(listen)
	addr, notAddr := netip.ParseAddr(host)
	return err == nil && notAddr == nil && addr.IsLoopback()
}

func checkAddress(addr string) error {
	parsed, err := mail.ParseAddress(addr)
	if err != nil || parsed.Address != addr {
		return fmt.Errorf("%q is not a mail address", addr)
	}
	return nil
}

// checkPatterns accepts "addr" and "@domain".
func checkPatterns(patterns []string) error {
	for _, p := range patterns {
		addr := p
		if strings.HasPrefix(p, "@") {
			addr = "x" + p
		}
		if checkAddress(addr) != nil {
			return fmt.Errorf("%q: want a mail address, or @domain", p)
		}
	}
	return nil
}

// checkPort also refuses a port that another key has.
func checkPort(c *Config, port int) error {
	if err := between(port, 1, 65535); err != nil {
		return err
	}
	uses := 0
	for _, p := range []int{
		c.FiltermailSMTPPort, c.FiltermailSMTPPortIncoming,
		c.PostfixReinjectPort, c.PostfixReinjectPortIncoming,
	} {
		if p == port {
			uses++
		}
	}
	if uses > 1 {
		return fmt.Errorf("port %d is used by another key, too: want a different port for each", port)
	}
	return nil
}

func checkURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") {
		return fmt.Errorf("%q: want a URL such as https://host/path", text)
	}
	return nil
}

func checkServer(server string) error {
	host, port, err := net.SplitHostPort(server)
	if err != nil {
		host, port = server, "53"
	}
	if n, err := strconv.Atoi(port); err != nil || between(n, 1, 65535) != nil || host == "" || strings.ContainsAny(host, " /[]") {
		return fmt.Errorf("%q: want a name server such as ns1.example.org or 192.0.2.1:53", server)
	}
	return nil
}

// checkListen accepts an address of this machine with a port. A name would be of
// one family only; "" is all addresses.
func checkListen(address string) error {
	host, port, err := net.SplitHostPort(address)
	n, portErr := strconv.Atoi(port)
	if err != nil || portErr != nil || between(n, 1024, 65535) != nil || host != "" && net.ParseIP(host) == nil {
		return fmt.Errorf("%q: want an address and a port of 1024 or more, such as 127.0.0.1:9180 or [::1]:9180", address)
	}
	return nil
}

// checkDisableIPv6 wants a protocol left for a relay at an IPv6 address.
func checkDisableIPv6(c *Config) error {
	if addr, literal := c.Literal(); c.DisableIPv6 && literal && addr.Is6() {
		return fmt.Errorf("mail_domain %s is an IPv6 address: want false", addr)
	}
	return nil
}

// checkDNSServer wants none for an address: an authority does not take a challenge by DNS
// for it (RFC 8738 §7).
func checkDNSServer(c *Config) error {
	if _, literal := c.Literal(); literal && c.ACMEDNSServer != "" {
		return fmt.Errorf("%q: a certificate for an address needs port 80, DNS cannot prove it: want none", c.ACMEDNSServer)
	}
	return optional(c.ACMEDNSServer, checkServer)
}

// checkDNSKey wants a key for a server, and no key without one.
func checkDNSKey(c *Config) error {
	if c.ACMEDNSServer == "" && c.ACMEDNSKey == "" {
		return nil
	}
	if c.ACMEDNSServer == "" {
		return fmt.Errorf("%q is for a server: want acme_dns_server too", c.ACMEDNSKey)
	}
	return absolute(c.ACMEDNSKey)
}

func checkExternalTLS(c *Config) error {
	if c.TLSExternalCertAndKey == "" {
		return nil
	}
	cert, key, ok := c.ExternalTLS()
	if !ok || absolute(cert) != nil || absolute(key) != nil {
		return fmt.Errorf("%q: want two absolute paths, the certificate's and the key's, with a space between", c.TLSExternalCertAndKey)
	}
	return nil
}

// checkAddresses accepts IP addresses as a packet has them: not those of an
// interface, nor IPv4 written as IPv6.
func checkAddresses(list []string) error {
	for _, text := range list {
		addr, err := netip.ParseAddr(text)
		if err != nil || addr.Zone() != "" || addr.Is4In6() || addr.IsUnspecified() || addr.IsLoopback() || addr.IsMulticast() {
			return fmt.Errorf("%q: want the address of a machine, such as 192.0.2.7 or 2001:db8::7", text)
		}
	}
	return nil
}

func checkSelector(selector string) error {
	for _, l := range strings.Split(selector, ".") {
		if !isLabel(l) {
			return fmt.Errorf("%q: want a DNS label such as opendkim", selector)
		}
	}
	return nil
}
