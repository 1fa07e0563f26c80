package status

import (
	"context"
	"net"
	"strings"
	"time"

	"chatmaild/applets/config"
)

// siteTimeout is how long status waits for the servers of other_sites.
const siteTimeout = 4 * time.Second

// otherSites connects to the servers that nginx hands other sites on to. One that is away
// is no fault of the relay's, so it is a note.
func otherSites(ctx context.Context, e *examiner) {
	sites := config.Sites(e.conf)
	if len(sites) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, siteTimeout)
	defer cancel()
	var answer []string
	for _, site := range sites {
		if err := reach(ctx, site.HTTPS, site.HTTP); err != nil {
			e.say("other sites", notice, "start that server, or correct other_sites", "the server of %s does not answer: %v", site.Name, err)
			continue
		}
		answer = append(answer, site.Name)
	}
	if answer != nil {
		e.say("other sites", fine, "", "%s", strings.Join(answer, ", "))
	}
}

// reach connects to servers; "" is none.
func reach(ctx context.Context, servers ...string) error {
	for _, server := range servers {
		if server == "" {
			continue
		}
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", server)
		if err != nil {
			return err
		}
		conn.Close()
	}
	return nil
}
