// Command serve serves the pages of each kind of relay, as nginx and the web daemon do
// together, for testdata/web/check. It prints the kinds and their addresses as JSON on
// one line and ends with its standard input.
//
// /~issued answers with every login link that was handed out, for the check to find the
// one that it has decoded.
package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"os"
	"path"
	"strings"
	"sync"

	"chatmaild/applets/service"
	"chatmaild/applets/web/signup"
	"chatmaild/packaging/www"
)

func main() {
	if err := serve(); err != nil {
		fmt.Fprintln(os.Stderr, "serve:", err)
		os.Exit(1)
	}
}

func serve() error {
	urls := make(map[string]string)
	for kind, site := range kinds() {
		h, err := newHost(site)
		if err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		urls[kind] = "http://" + l.Addr().String()
		go service.ServeHTTP(context.Background(), l, h, slog.Default())
	}
	if err := json.NewEncoder(os.Stdout).Encode(urls); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, os.Stdin)
	return err
}

// kinds are the relays that have pages of their own.
func kinds() map[string]www.Site {
	site := www.Site{
		MailDomain: "chat.example.org", Version: "1.0",
		EchoInvite:           "https://i.delta.chat/#0123456789ABCDEF0123456789ABCDEF01234567&v=3&i=abcdefghijklmnopqrstuvwx&s=abcdefghijklmnopqrstuvwx&a=echo%40chat.example.org&n=Echo",
		MaxUserSendPerMinute: 60, MaxMailboxSize: 500 << 20, MaxMessageSize: 30 << 20,
		DeleteMailsAfter: 20, DeleteLargeAfter: 7, DeleteInactiveUsersAfter: 90,
		UsernameMinLength: 9, UsernameMaxLength: 9, PasswordMinLength: 9,
		PrivacyPostal: "Example Association\n1 Harbour Street\n12345 Example Town",
		PrivacyMail:   "privacy@chat.example.org", PrivacyPDO: "Alex Example, Example Town",
		PrivacySupervisor: "The Data Protection Commissioner, Example Town",
	}
	with := func(change func(*www.Site)) www.Site {
		s := site
		change(&s)
		return s
	}
	sites := map[string]www.Site{
		"name": site,
		"fresh": with(func(s *www.Site) {
			s.MailDomain = "a-relay-with-a-rather-long-name.and-a-long-provider.example.org"
			s.EchoInvite, s.PrivacyPostal, s.PrivacyMail, s.PrivacyPDO, s.PrivacySupervisor = "", "", "", "", ""
		}),
		"underscore": with(func(s *www.Site) { s.MailDomain, s.SelfSigned = "_chat.example.org", true }),
		"literal":    with(func(s *www.Site) { s.MailDomain, s.SelfSigned = "192.0.2.17", true }),
		"invite":     with(func(s *www.Site) { s.Registration = www.Invite }),
		"closed":     with(func(s *www.Site) { s.Registration = www.Closed }),
	}
	for kind, s := range sites {
		s.Host = s.MailDomain
		sites[kind] = s
	}
	return sites
}

// host is one relay's web server.
type host struct {
	files   map[string][]byte
	dynamic http.Handler
	issued  *issued
}

func newHost(site www.Site) (*host, error) {
	files, err := www.Render(site, nil)
	if err != nil {
		return nil, err
	}
	log := &issued{host: site.MailDomain, next: &signup.Open{
		Domain:  site.AddressDomain(),
		Lengths: signup.Lengths{Name: site.UsernameMaxLength, MinPassword: site.PasswordMinLength},
		Random:  rand.Reader,
	}}
	dynamic := signup.New(signup.Options{
		Host: site.MailDomain, SelfSigned: site.SelfSigned, Registration: log, Log: slog.Default(),
	})
	return &host{files, dynamic, log}, nil
}

func (h *host) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Security-Policy", www.ContentSecurityPolicy)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	name := strings.TrimPrefix(path.Clean(r.URL.Path), "/")
	if name == "" {
		name = "index.html"
	}
	for _, p := range signup.Paths() {
		if r.URL.Path == p {
			h.dynamic.ServeHTTP(w, r)
			return
		}
	}
	if name == "~issued" {
		h.issued.ServeHTTP(w, r)
		return
	}
	status, data := http.StatusOK, h.files[name]
	if data == nil {
		name, status, data = "404.html", http.StatusNotFound, h.files["404.html"]
	}
	w.Header().Set("Content-Type", mime.TypeByExtension(path.Ext(name)))
	w.WriteHeader(status)
	w.Write(data)
}

// issued is a registration that remembers.
type issued struct {
	host string
	next signup.Registration

	mu    sync.Mutex
	links []string
}

func (i *issued) Register(ctx context.Context, token string) (signup.Credentials, error) {
	c, err := i.next.Register(ctx, token)
	i.mu.Lock()
	defer i.mu.Unlock()
	i.links = append(i.links, c.LoginLink(i.host, false))
	return c, err
}

func (i *issued) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(i.links)
}
