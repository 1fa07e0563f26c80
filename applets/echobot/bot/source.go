package bot

import "strings"

// Source names who answers for what comes from an address: on the bot's own relay the
// user, without a tag; elsewhere the relay, as nobody knows how many addresses one person
// has there.
func (b *Bot) Source(addr string) string { return Source(b.Domain, addr) }

// Source is Bot.Source for the bot of a domain.
func Source(domain, addr string) string {
	local, at, _ := strings.Cut(strings.ToLower(addr), "@")
	if !strings.EqualFold(at, domain) {
		return "@" + at
	}
	local, _, _ = strings.Cut(local, "+")
	return local + "@" + at
}
