package status

import (
	"context"
	"time"

	"chatmaild/applets/lookup"
)

// nameTimeout is how long status waits for this machine's resolvers.
const nameTimeout = 4 * time.Second

// nameServers asks this machine's resolvers. Any answer will do, also that there is
// no such record.
func (e *examiner) nameServers(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, nameTimeout)
	defer cancel()
	// Through the library that filtermail looks DKIM keys up with, not through libc, whose
	// answers may come from /etc/hosts.
	if _, err := new(lookup.System).TXT(ctx, e.conf.MailDomain); err != nil {
		e.say("name servers", trouble, "check /etc/resolv.conf; mail to and from other relays is deferred meanwhile", "they do not answer: %v", err)
		return
	}
	e.say("name servers", fine, "", "they answer")
}
