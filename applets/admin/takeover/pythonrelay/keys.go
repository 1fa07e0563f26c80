package pythonrelay

import (
	"fmt"
	"strconv"
	"strings"

	"chatmaild/applets/config"
)

// iniKey says what becomes of a key that the Python relay knows, or once knew.
type iniKey struct {
	value func(string) (toml string, err error) // nil: it is left, and why says so
	name  string                                // in chatmail.toml, if another one
	why   string
}

const deployOnly = "it was for deploying from another machine"

// iniKeys are the keys of chatmaild/src/chatmaild/config.py and ini/chatmail.ini.f
// over the releases of the Python relay.
var iniKeys = map[string]iniKey{
	"mail_domain":                    {value: text},
	"max_user_send_per_minute":       {value: integer},
	"max_user_send_burst_size":       {value: integer},
	"max_mailbox_size":               {value: megabytes},
	"max_message_size":               {value: integer},
	"delete_mails_after":             {value: integer},
	"delete_large_after":             {value: integer},
	"delete_inactive_users_after":    {value: integer},
	"delete_accounts_after":          {value: integer, name: "delete_inactive_users_after"},
	"username_min_length":            {value: integer},
	"username_max_length":            {value: integer},
	"password_min_length":            {value: integer},
	"max_load_1m":                    {value: float},
	"min_available_memory":           {value: megabytes},
	"min_free_disk_space":            {value: megabytes},
	"max_imap_connections":           {value: integer},
	"max_smtp_connections":           {value: integer},
	"filtermail_smtp_port":           {value: integer},
	"filtermail_smtp_port_incoming":  {value: integer},
	"postfix_reinject_port":          {value: integer},
	"postfix_reinject_port_incoming": {value: integer},
	"mailboxes_dir":                  {value: text},
	"tls_external_cert_and_key":      {value: words},
	"disable_ipv6":                   {value: boolean},
	"acme_email":                     {value: text},
	"imap_rawlog":                    {value: boolean},
	"imap_compress":                  {value: boolean},
	"iroh_relay":                     {value: text},
	"dkim_selector":                  {value: text},
	"privacy_postal":                 {value: text},
	"privacy_mail":                   {value: text},
	"privacy_pdo":                    {value: text},
	"privacy_supervisor":             {value: text},
	"mtail_address":                  {value: mtail, name: "metrics_address"},
	"admin_contact":                  {value: text, name: "privacy_mail"},

	"www_folder": {why: "it is a path on the machine that deployed; the pages are taken from " + WWWRoot},
	"passthrough_senders": {
		why: "the Python relay ignores it by now, since it lets cleartext pass; set it again if you want that",
	},
	"passthrough_recipients": {
		why: "the Python relay ignores it by now, since it lets cleartext pass; set it again if you want that",
	},
	"filtermail_http_port_incoming":              {why: "mail that comes by HTTPS reaches filtermail-in by a socket of systemd"},
	"filtermail_lmtp_port_transport":             {why: "Postfix itself delivers to other relays, or by a socket; see transport"},
	"turn_socket_path":                           {why: "systemd hands the TURN server its sockets; see turn"},
	"passdb_path":                                {why: "passwords lie in the mailboxes"},
	"fs_inotify_max_user_instances_and_watchers": {why: "the package has a sysctl.d file for it"},
	"change_kernel_settings":                     {why: "chatmaild run sets what the kernel lets it"},
	"ssh_host":                                   {why: deployOnly},
	"privacy_intro":                              {why: "the privacy policy is a page of its own: see www_folder"},
	"languages":                                  {why: "the pages are translated by www_folder"},
	"is_development_instance":                    {why: "there is no such thing in chatmaild"},
}

// text is empty if the Python relay takes it for not set.
func text(value string) (string, error) {
	if value == "" {
		return "", nil
	}
	return quote(value), nil
}

// words has single spaces between.
func words(value string) (string, error) { return text(strings.Join(strings.Fields(value), " ")) }

// integer takes what Python's int() does.
func integer(value string) (string, error) {
	// Python's int takes underscores too, but no fraction.
	n, err := strconv.ParseInt(strings.ReplaceAll(value, "_", ""), 10, 64)
	if err != nil {
		return "", fmt.Errorf("%q is not an integer", value)
	}
	return strconv.FormatInt(n, 10), nil
}

// float takes what Python's float() does.
func float(value string) (string, error) {
	f, err := strconv.ParseFloat(value, 64)
	if err != nil {
		return "", fmt.Errorf("%q is not a number", value)
	}
	digits := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(digits, ".") {
		digits += ".0"
	}
	return digits, nil
}

// boolean has the relay's own idea of truth: "yes" and "1" are false.
func boolean(value string) (string, error) {
	return strconv.FormatBool(strings.EqualFold(value, "true")), nil
}

// megabytes reads a size as parse_size_mb does: a number alone is in megabytes.
func megabytes(value string) (string, error) {
	number := strings.TrimSuffix(strings.ToUpper(value), "B")
	unit := 1
	if giga, ok := strings.CutSuffix(number, "G"); ok {
		number, unit = giga, 1<<10
	} else {
		number = strings.TrimSuffix(number, "M")
	}
	n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 32)
	if err != nil || n < 0 {
		return "", fmt.Errorf("%q: want a size such as 500M or 2G", value)
	}
	return quote((config.Size(n) * config.Size(unit) << 20).String()), nil
}

// mtailPort is the port of mtail, which scrapers know. What they find there has other
// names now.
const mtailPort = "3903"

// mtail says where the metrics are now, if they were served before.
func mtail(value string) (string, error) {
	if value == "" {
		return "", nil
	}
	if strings.Contains(value, ":") {
		value = "[" + value + "]" // IPv6: RFC 3986 §3.2.2
	}
	return quote(value + ":" + mtailPort), nil
}

// quote writes a TOML basic string.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range strings.ToValidUTF8(s, "\uFFFD") {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
