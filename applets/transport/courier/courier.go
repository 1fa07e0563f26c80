// Package courier delivers a message to the recipients of one domain: to the first of the
// domain's hosts that answers, by HTTPS if it takes that, else by SMTP. Hosts that do not
// answer cost nothing after the first time; see package health.
//
// A host that refuses by HTTPS, where one answer is for all recipients, is asked again by
// SMTP, where each has a true one; unless there is one recipient alone.
package courier

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"chatmaild/applets/config"
	"chatmaild/applets/transport/dial"
	"chatmaild/applets/transport/health"
	"chatmaild/applets/transport/mtasts"
	"chatmaild/applets/transport/mxdeliv"
	"chatmaild/applets/transport/route"
	"chatmaild/applets/transport/routes"
	"chatmaild/applets/transport/smtpout"
	"chatmaild/mailfilter"
)

// Bounds.
const (
	placeTimeout = 5 * time.Second        // until a host has a place for one more message
	crowdTimeout = 250 * time.Millisecond // until there is one for a host that may not answer
	httpsConnect = 5 * time.Second
	smtpConnect  = 10 * time.Second
	writeTimeout = time.Minute // for what a host is slow to read
)

// Ports of the two ways.
const (
	httpsPort = 443
	smtpPort  = 25
)

// Observer is notified of each message and host. It must not block.
type Observer interface {
	// Delivered is told that a message was accepted for a number of recipients.
	Delivered(way Way, recipients int, took time.Duration)
	// Failed is told that a way to a host came to nothing.
	Failed(way Way)
}

// Way is how a message gets to a host.
type Way string

// The ways.
const (
	HTTPS Way = "https"
	SMTP  Way = "smtp"
)

// Resolver is what is asked; a *net.Resolver is one.
type Resolver interface {
	route.Resolver
	LookupTXT(ctx context.Context, name string) ([]string, error)
}

// Options is what a Courier needs.
type Options struct {
	Name     string // what to call oneself
	Resolver Resolver
	Own      func(netip.Addr) bool // whether an address is this machine's
	IPv4Only bool
	SMTPOnly bool       // no host is asked for /mxdeliv, by which it would know us
	Source   netip.Addr // from which to connect, if it is this machine's; the zero value is any
	Health   *health.Tracker
	Routes   *routes.Table
	Observer Observer

	Connect func(ctx context.Context, network, address string) (net.Conn, error) // nil: by TCP
	Roots   *x509.CertPool                                                       // nil: the system's
}

// Courier delivers. It is safe for concurrent use.
type Courier struct {
	router   *route.Router
	dialer   *dial.Dialer
	https    *mxdeliv.Client
	smtp     *smtpout.Client
	health   *health.Tracker
	routes   *routes.Table
	observer Observer
	policies *mtasts.Cache
	smtpOnly memory
	never    bool // by HTTPS
}

// New returns a Courier.
func New(o Options) *Courier {
	c := &Courier{
		router: &route.Router{Resolver: o.Resolver, Self: o.Name, Own: o.Own},
		dialer: &dial.Dialer{IPv4Only: o.IPv4Only, Source: o.Source, Connect: o.Connect},
		health: o.Health, routes: o.Routes, observer: o.Observer, never: o.SMTPOnly,
	}
	c.https = mxdeliv.NewClient(c.connect(httpsPort, httpsConnect), o.Roots)
	c.smtp = smtpout.NewClient(o.Name, smtpout.Dial(c.connect(smtpPort, smtpConnect)), o.Roots)
	c.policies = newPolicies(o.Resolver, c.connect(httpsPort, httpsConnect), o.Roots)
	return c
}

// connect returns what connects to a port of a host.
func (c *Courier) connect(port int, timeout time.Duration) mxdeliv.Dial {
	return func(ctx context.Context, host string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		addrs, err := c.router.Addresses(ctx, host)
		if err != nil {
			return nil, err
		}
		conn, err := c.dialer.Dial(ctx, host, addrs, port)
		if err != nil {
			return nil, err
		}
		return dial.Patient(conn, writeTimeout), nil
	}
}

// Deliver delivers a message to recipients of one domain, and returns a reply for each. ctx
// bounds it.
func (c *Courier) Deliver(ctx context.Context, domain string, m smtpout.Message) []smtpout.Reply {
	hosts, err := c.router.Hosts(ctx, domain)
	if err != nil {
		return all(m, failure(err))
	}
	selfSigned := config.SelfSigned(domain) || strings.HasPrefix(domain, "[")
	var policy mtasts.Policy
	if !selfSigned {
		policy = c.policies.Policy(ctx, strings.ToLower(domain))
	}
	var last error
	for _, host := range hosts {
		if !policy.Allows(host) {
			last = errPolicy
			continue
		}
		replies, err := c.toHost(ctx, host, selfSigned, m)
		if err == nil {
			return replies
		}
		last = err
		if route.Loops(err) { // those after it would send the message back (RFC 5321, section 5.1)
			break
		}
	}
	return all(m, failure(last))
}

// Resting returns the reply that Deliver would have for a domain whose hosts all rest, as far as
// is known: a message for it need not even be read.
func (c *Courier) Resting(domain string) (reply smtpout.Reply, ok bool) {
	hosts := c.router.Recent(domain)
	var last *resting
	for _, host := range hosts {
		state, rests := c.health.Rests(host)
		if !rests {
			return smtpout.Reply{}, false
		}
		last = &resting{state}
	}
	if last == nil {
		return smtpout.Reply{}, false
	}
	return failure(last), true
}

// Retry has the hosts of a domain tried by its next messages, whatever is remembered of them,
// and returns them. Where none can be found, a message will say why.
func (c *Courier) Retry(ctx context.Context, domain string) (hosts []string) {
	c.router.Forget(domain)
	hosts, err := c.router.Hosts(ctx, domain)
	if err != nil {
		return nil
	}
	for _, host := range hosts {
		c.health.Retry(host)
		c.smtpOnly.forget(host)
	}
	return hosts
}

// toHost delivers a message to a host. An error means that another one may be tried.
func (c *Courier) toHost(ctx context.Context, host string, selfSigned bool, m smtpout.Message) ([]smtpout.Reply, error) {
	if err := c.place(ctx, host); err != nil {
		return nil, err
	}
	var replies []smtpout.Reply
	_, err := c.router.Addresses(ctx, host)
	if err == nil {
		replies, err = c.attempt(ctx, host, selfSigned, m)
	}
	reason := ""
	if err != nil && !permanent(err) { // what the DNS says for good is an answer
		reason = Reason(err)
	}
	c.health.Done(host, reason)
	return replies, err
}

// place waits until the host may get one more message.
func (c *Courier) place(ctx context.Context, host string) error {
	crowd, place := time.After(crowdTimeout), time.After(placeTimeout)
	for {
		enough, reason := place, errBusy
		verdict, changed, state := c.health.Admit(host)
		switch verdict {
		case health.Go:
			return nil
		case health.Resting:
			return &resting{state}
		case health.Crowded:
			enough, reason = crowd, errCrowded
		}
		select {
		case <-changed:
		case <-enough:
			return reason
		case <-ctx.Done():
			return reason
		}
	}
}

// Why there is no place.
var (
	errBusy    = errors.New("too many messages for the host at once")
	errCrowded = errors.New("too many hosts are tried at once that have not answered yet")
)

// resting is the error of a host that is not tried now.
type resting struct{ health.State }

func (r *resting) Error() string {
	return fmt.Sprintf("the host has not answered since %s (%s); the next attempt is at %s",
		r.Since.UTC().Format(time.TimeOnly), r.Reason, r.Next.UTC().Format(time.TimeOnly))
}

// attempt tries both ways.
func (c *Courier) attempt(ctx context.Context, host string, selfSigned bool, m smtpout.Message) ([]smtpout.Reply, error) {
	start := time.Now()
	var said smtpout.Reply // by HTTPS, against the message
	var reached bool
	var httpsErr error
	if ascii(m) && !c.never && !c.smtpOnly.has(host) {
		var answer mxdeliv.Answer
		answer, httpsErr = c.https.Deliver(ctx, host, selfSigned, mxdeliv.Message{
			Envelope: mailfilter.Envelope{Sender: m.Sender, Recipients: m.Recipients}, Size: m.Size, Open: m.Open,
		})
		if reached = httpsErr == nil && answer.Reply != ""; reached {
			said = parse(answer.Reply)
		}
		switch {
		case httpsErr == nil && answer.Status == 200:
			c.observer.Delivered(HTTPS, len(m.Recipients), time.Since(start))
			c.routes.Delivered(host, string(HTTPS))
			if !reached { // madmail's answer is "OK"
				said = smtpout.Reply{Code: 250, Status: [3]int{2, 0, 0}, Text: "accepted by HTTPS"}
			}
			return all(m, said), nil
		case reached && said.Code/100 == 5 && len(m.Recipients) == 1:
			return all(m, said), nil
		case httpsErr == nil && (answer.Status == 404 || answer.Status == 405):
			c.smtpOnly.add(host)
		}
		c.observer.Failed(HTTPS)
		c.routes.Failed(host, "HTTPS: "+httpsReason(answer.Status, httpsErr))
	}
	replies, err := c.smtp.Deliver(ctx, host, selfSigned, m)
	switch {
	case err == nil:
		if httpsErr != nil {
			c.smtpOnly.add(host)
		}
		accepted := 0
		for _, r := range replies {
			if r.Accepted() {
				accepted++
			}
		}
		if accepted > 0 {
			c.observer.Delivered(SMTP, accepted, time.Since(start))
			c.routes.Delivered(host, string(SMTP))
		}
		return replies, nil
	case reached: // port 25 is closed; what was said by HTTPS counts
		return all(m, said), nil
	}
	c.observer.Failed(SMTP)
	c.routes.Failed(host, "SMTP: "+Reason(err))
	if httpsErr != nil {
		err = fmt.Errorf("%w; %v", err, httpsErr)
	}
	return nil, err
}

// ascii reports whether the envelope can stand in a header of HTTP.
func ascii(m smtpout.Message) bool {
	for _, s := range append([]string{m.Sender}, m.Recipients...) {
		for i := range len(s) {
			if s[i] <= ' ' || s[i] > '~' {
				return false
			}
		}
	}
	return true
}

func all(m smtpout.Message, r smtpout.Reply) []smtpout.Reply {
	replies := make([]smtpout.Reply, len(m.Recipients))
	for i := range replies {
		replies[i] = r
	}
	return replies
}
