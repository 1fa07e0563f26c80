package selftest

import (
	"context"
	"encoding/xml"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"chatmaild/applets/admin/remote"
	"chatmaild/auth/mailaddr"
)

// get fetches a page that has to be there.
func (s *session) get(ctx context.Context, url string) (*remote.Page, error) {
	page, err := s.relay.Web(ctx, http.MethodGet, url)
	if err != nil {
		return nil, err
	}
	if page.Status != http.StatusOK {
		return nil, fmt.Errorf("%d for %s", page.Status, url)
	}
	return page, nil
}

// homePage only looks that there is one.
func homePage(ctx context.Context, s *session) (string, error) {
	page, err := s.get(ctx, remote.URL(s.relay, "/"))
	if err != nil {
		return "", err
	}
	kind := page.Header.Get("Content-Type")
	if !strings.HasPrefix(kind, "text/html") {
		return "", fmt.Errorf("a page of type %q", kind)
	}
	return fmt.Sprintf("%d bytes", len(page.Body)), nil
}

// toHTTPS follows no redirect: where it leads is what counts.
func toHTTPS(ctx context.Context, s *session) (string, error) {
	page, err := s.relay.Web(ctx, http.MethodGet, "http://"+mailaddr.InURL(s.relay.Host)+"/")
	if err != nil {
		// Most networks let port 80 through, and no client uses it: not worth a failure.
		return "", notef("%v", err)
	}
	to := page.Header.Get("Location")
	if page.Status/100 != 3 || !strings.HasPrefix(to, "https://") {
		return "", notef("%d", page.Status)
	}
	return to, nil
}

// newProfile holds that credentials that the relay gives out let one in.
func newProfile(ctx context.Context, s *session) (string, error) {
	a, err := s.relay.Credentials(ctx, s.Invite)
	if err != nil {
		return "", adviseInvite(err)
	}
	d, err := s.relay.IMAP(ctx, remote.IMAPS, a)
	if err != nil {
		return "", fmt.Errorf("credentials that do not work: %w", err)
	}
	local, _, _ := strings.Cut(a.Address, "@")
	return fmt.Sprintf("a name of %d and a password of %d bytes", len(local), len(a.Password)), d.Close()
}

// autoconfig is what clients read of the draft-ietf-mailmaint-autoconfig format.
type autoconfig struct {
	Provider struct {
		Incoming []server `xml:"incomingServer"`
		Outgoing []server `xml:"outgoingServer"`
	} `xml:"emailProvider"`
}

// server is an entry of the autoconfiguration (Mozilla's format, config-v1.1).
type server struct {
	Type     string `xml:"type,attr"`
	Hostname string `xml:"hostname"`
	Port     int    `xml:"port"`
}

// autoconfiguration is what apps read that do not know chatmail.
func autoconfiguration(ctx context.Context, s *session) (string, error) {
	page, err := s.get(ctx, remote.URL(s.relay, "/.well-known/autoconfig/mail/config-v1.1.xml"))
	if err != nil {
		return "", err
	}
	var config autoconfig
	if err := xml.Unmarshal(page.Body, &config); err != nil {
		return "", err
	}
	incoming, err := s.ports("imap", config.Provider.Incoming)
	if err != nil {
		return "", err
	}
	outgoing, err := s.ports("smtp", config.Provider.Outgoing)
	return incoming + ", " + outgoing, err
}

// ports names the ports of servers of a type, all of which have to be the relay.
func (s *session) ports(kind string, servers []server) (string, error) {
	seen := kind
	for _, server := range servers {
		if server.Type != kind {
			continue
		}
		if server.Hostname != s.relay.Host {
			return "", fmt.Errorf("a %s server %q", kind, server.Hostname)
		}
		seen += " " + strconv.Itoa(server.Port)
	}
	if seen == kind {
		return "", fmt.Errorf("no %s server", kind)
	}
	return seen, nil
}

// mxdeliv asks in a way that sends nothing: only POST delivers.
func mxdeliv(ctx context.Context, s *session) (string, error) {
	page, err := s.relay.Web(ctx, http.MethodGet, remote.URL(s.relay, "/mxdeliv"))
	if err != nil {
		return "", err
	}
	// 405 (RFC 9110 §15.5.6) is what only a server answers that delivers by POST there.
	if page.Status != http.StatusMethodNotAllowed {
		return "", notef("%d to GET /mxdeliv", page.Status)
	}
	return "POST /mxdeliv", nil
}

// mtaSTS holds that others are told to insist on our certificate (RFC 8461).
func mtaSTS(ctx context.Context, s *session) (string, error) {
	page, err := s.get(ctx, "https://mta-sts."+s.relay.Domain+"/.well-known/mta-sts.txt")
	if err != nil {
		return "", err
	}
	policy := make(map[string][]string)
	for line := range strings.Lines(string(page.Body)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		policy[key] = append(policy[key], strings.TrimSpace(value))
	}
	mode := strings.Join(policy["mode"], " ")
	switch {
	case !slices.Equal(policy["version"], []string{"STSv1"}):
		return "", fmt.Errorf("version %q", policy["version"])
	case !slices.Contains(policy["mx"], s.relay.Host):
		return "", fmt.Errorf("mx %q", policy["mx"])
	case mode != "enforce":
		return "", notef("mode %s", mode)
	}
	return "mode " + mode, nil
}
