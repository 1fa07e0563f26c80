package pythonrelay

import (
	"reflect"
	"strings"
	"testing"

	"chatmaild/applets/config"
	"chatmaild/packaging"
)

var template = packaging.Config

func convert(t *testing.T, ini string) *Conversion {
	t.Helper()
	params, err := ParseINI("[params]\n" + ini)
	if err != nil {
		t.Fatal(err)
	}
	c, err := Convert(params, template, Paths{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestValues holds what each value of chatmail.ini means.
func TestValues(t *testing.T) {
	for _, tt := range []struct {
		ini  string
		want func(*config.Config)
	}{
		{"", func(*config.Config) {}},
		{"max_mailbox_size = 2G", func(c *config.Config) { c.MaxMailboxSize = 2 << 30 }},
		{"max_mailbox_size = 300", func(c *config.Config) { c.MaxMailboxSize = 300 << 20 }},
		{"min_free_disk_space = 512MB", func(c *config.Config) { c.MinFreeDiskSpace = 512 << 20 }},
		{"max_message_size = 1_000_000", func(c *config.Config) { c.MaxMessageSize = 1000000 }},
		{"delete_mails_after = 40", func(c *config.Config) { c.DeleteMailsAfter = 40 }},
		{"delete_accounts_after = 30", func(c *config.Config) { c.DeleteInactiveUsersAfter = 30 }},
		{"disable_ipv6 = True", func(c *config.Config) { c.DisableIPv6 = true }},
		{"disable_ipv6 = yes", func(*config.Config) {}},
		{"max_load_1m = 12", func(c *config.Config) { c.MaxLoad1m = 12 }},
		{"iroh_relay = https://iroh.example.org", func(c *config.Config) { c.IrohRelay = "https://iroh.example.org" }},
		{"iroh_relay = https://chat.example.org", func(*config.Config) {}},
		{"iroh_relay = https://Chat.Example.org.:443/relay", func(*config.Config) {}},
		{"iroh_relay = https://www.chat.example.org/", func(*config.Config) {}},
		{"iroh_relay = https://iroh.chat.example.org", func(c *config.Config) { c.IrohRelay = "https://iroh.chat.example.org" }},
		{"iroh_relay =", func(c *config.Config) { c.Iroh = "off" }},
		{"mailboxes_dir = /srv/mail", func(c *config.Config) { c.MailboxesDir = "/srv/mail" }},
		{"tls_external_cert_and_key = /a/cert.pem   /a/key.pem", func(c *config.Config) { c.TLSExternalCertAndKey = "/a/cert.pem /a/key.pem" }},
		{"privacy_postal =\n  Street 1\n  \"Town\"", func(c *config.Config) { c.PrivacyPostal = "Street 1\n\"Town\"" }},
		{"mtail_address = 127.0.0.1", func(c *config.Config) { c.MetricsAddress = "127.0.0.1:3903" }},
		{"mtail_address = ::1", func(c *config.Config) { c.MetricsAddress = "[::1]:3903" }},
		{"mtail_address =", func(*config.Config) {}},
		{"admin_contact = root@example.org", func(c *config.Config) { c.PrivacyMail = "root@example.org" }},
		// What chatmaild does not take leaves the default.
		{"privacy_mail = nobody at all", func(*config.Config) {}},
		{"username_min_length = many", func(*config.Config) {}},
		{"max_message_size = 1G", func(*config.Config) {}},
		{"passthrough_senders = a@example.org", func(*config.Config) {}},
		{"no_such_key = 1", func(*config.Config) {}},
		{"filtermail_smtp_port = 10081", func(*config.Config) {}},
	} {
		c := convert(t, "mail_domain = chat.example.org\n"+tt.ini+"\n")
		want := config.Defaults()
		want.MailDomain, want.MailboxesDir = "chat.example.org", "/home/vmail/mail/chat.example.org"
		tt.want(want)
		if !reflect.DeepEqual(c.Config, want) {
			t.Errorf("%s:\n got %+v\nwant %+v", tt.ini, c.Config, want)
		}
	}
}

func TestFates(t *testing.T) {
	c := convert(t, strings.Join([]string{
		"mail_domain = chat.example.org",
		"max_user_send_per_minute = 61",
		"www_folder = ../pages",
		"passthrough_recipients = xstore@example.org",
		"turn_socket_path = /run/x",
		"privacy_mail = nobody at all",
		"privacy_pdo =",
		"tpyo = 1",
	}, "\n"))
	want := []struct {
		fate Fate
		why  string
	}{
		{Taken, ""},
		{Taken, ""},
		{Left, "/var/www/html"},
		{Left, "cleartext"},
		{Left, "TURN"},
		{Refused, "not a mail address"},
		{Left, "empty"},
		{Unknown, "typing error"},
	}
	for i, s := range c.Settings {
		if s.Fate != want[i].fate || !strings.Contains(s.Why, want[i].why) {
			t.Errorf("%s: got %v (%s), want %v (%s)", s.Param.Key, s.Fate, s.Why, want[i].fate, want[i].why)
		}
		if named := strings.Contains(c.Text, "# "+s.Param.Key+" = "+s.Value+"\n"); named != (s.Fate != Taken) {
			t.Errorf("%s is %v; it is named in a comment at the end: %v", s.Param.Key, s.Fate, named)
		}
	}
	for _, line := range []string{"\nmax_user_send_per_minute = 61\n", "\n#max_user_send_burst_size = 10\n"} {
		if !strings.Contains(c.Text, line) {
			t.Errorf("want the line %q in\n%s", line, c.Text)
		}
	}
}

func TestConvertErrors(t *testing.T) {
	for ini, want := range map[string]string{
		"":                           "mail_domain is missing",
		"mail_domain =":              `mail_domain is missing`,
		"mail_domain = Chat.Example": `line 2: mail_domain: "Chat.Example" is not a valid domain`,
		"mail_domain = a.example\nmailboxes_dir = home/mail": "mailboxes_dir",
	} {
		params, err := ParseINI("[params]\n" + ini + "\n")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Convert(params, template, Paths{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", ini, err, want)
		}
	}
}

// TestKeysAreReal holds that what is taken has a key in our configuration.
func TestKeysAreReal(t *testing.T) {
	known := map[string]bool{}
	for _, field := range reflect.VisibleFields(reflect.TypeFor[config.Config]()) {
		known[field.Tag.Get("toml")] = true
	}
	for name, k := range iniKeys {
		key := name
		if k.name != "" {
			key = k.name
		}
		if (k.value == nil) != (k.why != "") {
			t.Errorf("%s: want a value or a reason", name)
		}
		if k.value != nil && !known[key] {
			t.Errorf("%s becomes %s, which is not a key of chatmail.toml", name, key)
		}
	}
}
