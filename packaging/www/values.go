package www

import (
	"fmt"
	"html/template"
	"strings"
)

// values are what the templates may ask for.
type values struct {
	site  Site
	words map[string]string
}

// funcs returns the functions of a template; part is nil where there are no parts.
//
//	config.KEY               a key of chatmail.toml as people write it: sizes in MB or GB
//	words.KEY                a text of words.json
//	address_domain           what stands behind the @
//	account_link             the link behind the button
//	days N                   "1 day", "20 days"
//	lines TEXT               free text, each line on one of its own, nothing in it special
//	privacy_missing          the empty privacy keys
//	button, qr, echo, notice the parts
func (v values) funcs(part func(string) (string, error)) map[string]any {
	f := map[string]any{
		"config":          v.config,
		"words":           func() map[string]string { return v.words },
		"address_domain":  v.site.AddressDomain,
		"account_link":    v.accountLink,
		"days":            v.days,
		"lines":           lines,
		"privacy_missing": v.site.PrivacyMissing,
	}
	if part != nil {
		for _, name := range []string{"button", "qr", "echo", "notice"} {
			f[name] = func() (string, error) { return part(name) }
		}
	}
	return f
}

// config returns the values under their names in chatmail.toml.
func (v values) config() map[string]any {
	s := v.site
	return map[string]any{
		"mail_domain":                 s.MailDomain,
		"max_user_send_per_minute":    s.MaxUserSendPerMinute,
		"max_mailbox_size":            size(s.MaxMailboxSize),
		"max_message_size":            size(s.MaxMessageSize),
		"delete_mails_after":          s.DeleteMailsAfter,
		"delete_large_after":          s.DeleteLargeAfter,
		"delete_inactive_users_after": s.DeleteInactiveUsersAfter,
		"username_min_length":         s.UsernameMinLength,
		"username_max_length":         s.UsernameMaxLength,
		"password_min_length":         s.PasswordMinLength,
		"privacy_postal":              s.PrivacyPostal,
		"privacy_mail":                s.PrivacyMail,
		"privacy_pdo":                 s.PrivacyPDO,
		"privacy_supervisor":          s.PrivacySupervisor,
	}
}

// accountLink is what the button leads to. On a self-signed relay it is a page of the
// web daemon, which sends the browser on to a fresh dclogin: link.
//
// It is a template.URL since html/template knows neither the scheme nor that we made it.
func (v values) accountLink() template.URL {
	if v.site.SelfSigned {
		return "/new"
	}
	return template.URL(AccountLink(v.site.Host, ""))
}

func (v values) days(n int) string {
	if n == 1 {
		return fmt.Sprintf("%d %s", n, v.words["day"])
	}
	return fmt.Sprintf("%d %s", n, v.words["days"])
}

// size writes n bytes as people do. The units are powers of 1024, like the
// configuration's and the apps'.
func size(n int64) string {
	for _, u := range []struct {
		shift uint
		name  string
	}{{30, "GB"}, {20, "MB"}, {10, "KB"}} {
		if n >= 1<<u.shift {
			whole, rest := n>>u.shift, n&(1<<u.shift-1)
			if tenth := rest * 10 >> u.shift; tenth > 0 && whole < 10 {
				return fmt.Sprintf("%d.%d %s", whole, tenth, u.name)
			}
			return fmt.Sprintf("%d %s", whole, u.name)
		}
	}
	return fmt.Sprintf("%d bytes", n)
}

// lines escapes free text for Markdown (CommonMark §2.4) and keeps its lines apart
// (§6.7).
func lines(text string) string {
	var b strings.Builder
	for _, r := range strings.TrimSpace(text) {
		switch {
		case r == '\n':
			b.WriteString("\\\n")
		case strings.ContainsRune("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", r):
			b.WriteRune('\\')
			b.WriteRune(r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
