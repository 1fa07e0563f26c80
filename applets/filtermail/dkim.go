package filtermail

import (
	"context"
	"log/slog"
	"time"

	"chatmaild/applets/config"
	"chatmaild/applets/dns"
	"chatmaild/mailfilter/dkim"
)

// verifier is what proves the domains of incoming mail, with the machine's
// resolvers; nil if the config says that nothing has to be proven.
func verifier(conf *config.Config, log *slog.Logger) *dkim.Verifier {
	if !conf.DKIMVerify {
		log.Warn("DKIM IS NOT VERIFIED: anybody can send mail in any other relay's name; dkim_verify = false is for tests")
		return nil
	}
	var system dns.System
	lookup := func(ctx context.Context, name string) (dkim.Records, error) {
		found, err := system.TXT(ctx, name)
		if err != nil && ctx.Err() == nil {
			log.Debug("the DNS does not answer for a DKIM key; the message is deferred", "name", name, "error", err)
		}
		return dkim.Records{Texts: found.Texts, TTL: found.TTL}, err
	}
	return dkim.New(lookup, time.Now)
}
