package selftest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"chatmaild/applets/admin/remote"
	"chatmaild/applets/chat/imap"
)

// hiddenChecks hold that a hidden relay says to no stranger what it is.
func hiddenChecks() []Check {
	const run = "chatmaild run writes the configuration for hidden = true"
	return []Check{
		{"hidden-web", Refusals, []string{"certificate-443"}, Hidden, "pages that say nothing, and none of a relay", run + "; the pages are those of www_folder", hiddenWeb},
		{"hidden-443", Refusals, []string{"certificate-443"}, Hidden, "HTTPS alone on port 443", run, hiddenALPN},
		{"hidden-imap", Refusals, []string{"certificate-993"}, Hidden, "no word of it before a login", run, hiddenIMAP},
		{"hidden-mail", Refusals, []string{"create", "certificate-25"}, Hidden, "cleartext from outside is refused without a reason", run, hiddenMail},
	}
}

// telling are words that say what a relay is, in lower case.
var telling = []string{"chatmail", "delta", "encrypt", "relay", "profile"}

// tells returns the first of those words in a text, and "" for none. The relay's own name
// may have one.
func tells(s *session, text string) string {
	text = strings.ReplaceAll(strings.ToLower(text), s.relay.Host, "")
	text = strings.ReplaceAll(text, s.relay.Domain, "")
	i := slices.IndexFunc(telling, func(word string) bool { return strings.Contains(text, word) })
	if i < 0 {
		return ""
	}
	return telling[i]
}

// hiddenPaths are what other relays answer.
var hiddenPaths = []string{
	"/new", "/new?t=x", "/new.svg", "/cgi-bin/newemail.py", "/mxdeliv", "/relay", "/ping", "/metrics",
	"/info", "/privacy", "/robots.txt", "/imap", "/smtp",
}

// hiddenWeb asks for the pages that other relays have, and for one that nobody has: all but
// the first page look the same.
func hiddenWeb(ctx context.Context, s *session) (string, error) {
	page, err := s.get(ctx, remote.URL(s.relay, "/"))
	if err != nil {
		return "", err
	}
	if word := tells(s, string(page.Body)); word != "" {
		return "", fmt.Errorf("the page says %q", word)
	}
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		nothing, err := s.relay.Web(ctx, method, remote.URL(s.relay, "/"+remote.NewAccount("x").Password))
		if err != nil {
			return "", err
		}
		for _, path := range hiddenPaths {
			page, err := s.relay.Web(ctx, method, remote.URL(s.relay, path))
			if err != nil {
				return "", err
			}
			if page.Status != nothing.Status || string(page.Body) != string(nothing.Body) {
				return "", fmt.Errorf("%s %s: %d, not the answer for a page that does not exist", method, path, page.Status)
			}
		}
	}
	return "a first page, and nothing else", nil
}

// hiddenALPN asks for IMAP on port 443 as apps do that can reach no other port.
func hiddenALPN(ctx context.Context, s *session) (string, error) {
	conn, err := s.relay.Secure(ctx, remote.IMAPByALPN, s.relay.TLSConfig(remote.IMAPByALPN))
	if _, ok := errors.AsType[*remote.HandshakeError](err); ok {
		return "no IMAP", nil
	}
	if err != nil {
		return "", err
	}
	defer conn.Close()
	d, err := imap.New(conn)
	if err != nil {
		return "", fmt.Errorf("neither IMAP nor a refusal of it: %w", err)
	}
	return "", fmt.Errorf("IMAP: %s", d.Greeting)
}

// hiddenIMAP hears what IMAP says before a login.
func hiddenIMAP(ctx context.Context, s *session) (string, error) {
	for _, service := range []remote.Service{remote.IMAPS, remote.IMAPStart} {
		said, err := unnamed(ctx, s, service)
		if err != nil {
			return "", err
		}
		if word := tells(s, said); word != "" {
			return "", fmt.Errorf("port %d says %q", service.Port, word)
		}
	}
	return "a greeting like any", nil
}

// unnamed is what a stranger hears of an IMAP service.
func unnamed(ctx context.Context, s *session, service remote.Service) (string, error) {
	conn, err := s.relay.Open(ctx, service)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	d, err := imap.New(conn)
	if err != nil {
		return "", err
	}
	able, err := d.Capabilities()
	return d.Greeting + " " + strings.Join(able, " "), err
}

// hiddenMail has a stranger send cleartext.
func hiddenMail(ctx context.Context, s *session) (string, error) {
	stranger := remote.NewAccount(elsewhere)
	reply, err := s.fromOutside(ctx, stranger.Address, s.alice.Address, cleartext(stranger.Address, s.alice.Address, s.Now))
	said, err := refusal(reply, err)
	if err == nil && tells(s, said) != "" {
		err = errors.New(said)
	}
	return said, err
}
