package filtermail

import (
	"context"
	"log/slog"
	"time"

	"chatmaild/applets/config"
	"chatmaild/applets/lookup"
	"chatmaild/applets/lookup/authoritative"
	"chatmaild/mailfilter/dkim"
)

// verifier is what proves the domains of incoming mail, with the machine's
// resolvers; nil if the config says that nothing has to be proven.
func verifier(conf *config.Config, log *slog.Logger) *dkim.Verifier {
	if !conf.DKIMVerify {
		log.Warn("DKIM IS NOT VERIFIED: anybody can send mail in any other relay's name; dkim_verify = false is for tests")
		return nil
	}
	var system lookup.System
	return dkim.New(dkim.Options{
		Now: time.Now,
		Lookup: func(ctx context.Context, name string) (dkim.Records, error) {
			found, err := system.TXT(ctx, name)
			if err != nil && ctx.Err() == nil {
				log.Debug("the DNS does not answer for a DKIM key; the message is deferred", "name", name, "error", err)
			}
			return dkim.Records{Texts: found.Texts, TTL: found.TTL}, err
		},
		Authority: authority,
		// The other places are kept for those who have proven themselves before.
		MaxStrangers: conf.FiltermailMaxInFlight / 2,
	})
}

// authority asks a domain's own name servers for a key.
func authority(ctx context.Context, name string) (dkim.Records, error) {
	ctx, cancel := context.WithTimeout(ctx, lookup.LookupTimeout)
	defer cancel()
	texts, ttl, err := new(authoritative.Resolver).TXT(ctx, name+".")
	return dkim.Records{Texts: texts, TTL: ttl}, err
}
