package status

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"chatmaild/applets/config"
	"chatmaild/applets/transport/routes"
)

// fewHosts are as many as may be away at once without our own network being the cause.
const fewHosts = 5

// otherRelays tells whether others can be reached. Where the transport does not answer, its
// unit's line says why.
func otherRelays(ctx context.Context, e *examiner) {
	if !config.OwnTransport(e.conf) {
		return
	}
	list, err := routes.Read(ctx, filepath.Join(e.machine.Root, config.RoutesSocket(e.conf)))
	if err != nil {
		return
	}
	l, words, hint := judgeRoutes(list)
	e.say("other relays", l, hint, "%s", words)
}

// judgeRoutes tells hosts that are away, which is their operators' fault, from our own network
// being away, as it seems. It is a note only: perhaps nobody has written to another one since.
func judgeRoutes(list []routes.Route) (l level, words, hint string) {
	accept, away := 0, 0
	var last, since time.Time // a message was accepted; all who are away have been
	for _, r := range list {
		switch {
		case r.Resting != nil:
			away++
			if r.Resting.After(since) {
				since = *r.Resting
			}
		case r.Last != nil:
			accept++
		}
		if r.Last != nil && r.Last.After(last) {
			last = *r.Last
		}
	}
	const look = "chatmaild queue routes shows what fails"
	switch {
	case away > fewHosts && last.Before(since):
		return notice, fmt.Sprintf("%d hosts do not answer, and none has accepted mail since", away),
			look + "; are ports 443 and 25 blocked outward, or is IPv6 broken?"
	case away > 0:
		return notice, fmt.Sprintf("hosts that accept mail: %d, that do not answer: %d", accept, away), look
	}
	return fine, fmt.Sprintf("hosts that accept mail: %d", accept), ""
}
