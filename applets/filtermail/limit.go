package filtermail

import (
	"time"

	"chatmaild/applets/config"
	"chatmaild/applets/sharedlimit"
	"chatmaild/mailfilter"
	"chatmaild/mailfilter/ratelimit"
)

// shared is the limit on sending over all machines of a relay: one of them counts for each
// sender, chosen by the address.
type shared struct{ *sharedlimit.Limit }

var _ mailfilter.Limiter = shared{}

// Allow implements mailfilter.Limiter.
func (s shared) Allow(sender string) bool {
	ok, _ := s.Take(sender, sender)
	return ok
}

// limiter limits each sender: on this machine, or over all of several, for which all is not
// nil.
func limiter(conf *config.Config) (l mailfilter.Limiter, all *shared, err error) {
	// Its clock is monotonic: it counts from now on.
	start := time.Now()
	own, err := ratelimit.New(ratelimit.Options{
		PerMinute: conf.MaxUserSendPerMinute,
		Burst:     conf.MaxUserSendBurstSize,
		Now:       func() time.Duration { return time.Since(start) },
	})
	if err != nil || !config.Clustered(conf) {
		return own, nil, err
	}
	counts := func(sender string) (bool, string) { return own.Allow(sender), "" }
	all = &shared{sharedlimit.New(conf, config.MemberLimitPort, counts)}
	return all, all, nil
}
