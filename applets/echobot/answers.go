package echobot

import (
	"strings"
	"time"

	"chatmaild/applets/echobot/bot"
	"chatmaild/mailfilter/ratelimit"
)

// answers bounds what one person gets answered, and all of another relay together.
type answers struct {
	domain          string
	persons, relays *ratelimit.Limiter
}

var _ bot.Limiter = (*answers)(nil)

func newAnswers(domain string, now func() time.Duration) (*answers, error) {
	persons, err := ratelimit.New(ratelimit.Options{
		PerMinute: answersPerMinute, Burst: answersBurst, Senders: sourcesAtOnce, Now: now,
	})
	if err != nil {
		return nil, err
	}
	relays, err := ratelimit.New(ratelimit.Options{
		PerMinute: relayAnswersPerMinute, Burst: relayAnswersBurst, Senders: sourcesAtOnce, Now: now,
	})
	return &answers{domain, persons, relays}, err
}

// Allow implements bot.Limiter.
func (a *answers) Allow(addr string) bool {
	source := bot.Source(a.domain, addr)
	if strings.HasPrefix(source, "@") {
		return a.persons.Allow(strings.ToLower(addr)) && a.relays.Allow(source)
	}
	return a.persons.Allow(source)
}
