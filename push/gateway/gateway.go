// Package gateway speaks to a notification service over HTTPS: a POST with the raw
// token as its body, HTTP/2 over few connections. What the service is and answers:
// https://github.com/chatmail/notifiers (src/server.rs). It sends no notification twice
// automatically, follows no redirect, and tells a token to nobody else.
package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"chatmaild/applets/service/retryafter"
	"chatmaild/push"
)

// Bounds of the connections to one service.
const (
	maxConns    = 32      // an HTTP/2 service sees two or three
	maxBody     = 4 << 10 // bytes of an answer that are read
	maxHeader   = 16 << 10
	dialTimeout = 10 * time.Second
	idleTimeout = 90 * time.Second
	pingAfter   = 15 * time.Second // of silence on an HTTP/2 connection
)

// Gateway is one notification service.
type Gateway struct {
	url    string
	agent  string
	now    func() time.Time
	client *http.Client
}

var _ push.Sender = (*Gateway)(nil)

// Options are what a Gateway needs besides its URL.
type Options struct {
	UserAgent string
	Now       func() time.Time
	Transport *http.Transport // nil: NewTransport()
}

// New returns the gateway to the service at url.
func New(url string, o Options) *Gateway {
	if o.Transport == nil {
		o.Transport = NewTransport()
	}
	return &Gateway{
		url: url, agent: o.UserAgent, now: o.Now,
		client: &http.Client{
			Transport:     o.Transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// NewTransport returns the connections of a Gateway. The system's CAs vouch for the
// service, and the environment's proxy is used if there is one.
func NewTransport() *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: dialTimeout}).DialContext,
		TLSHandshakeTimeout:    dialTimeout,
		ForceAttemptHTTP2:      true,
		MaxConnsPerHost:        maxConns,
		MaxIdleConnsPerHost:    maxConns,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: maxHeader,
		DisableCompression:     true,
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingAfter},
	}
}

// Send implements push.Sender.
func (g *Gateway) Send(ctx context.Context, token string) push.Result {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, g.url, strings.NewReader(token))
	if err != nil {
		return push.Result{Outcome: push.Failed, Err: fmt.Errorf("asking %s: %w", g.url, err)}
	}
	req.Header.Set("User-Agent", g.agent)
	req.Header.Set("Content-Type", "text/plain")
	resp, err := g.client.Do(req)
	if err != nil {
		return g.unanswered(ctx, err)
	}
	defer resp.Body.Close()
	// A connection is used again only if the answer was read to its end.
	_, _ = io.CopyN(io.Discard, resp.Body, maxBody)
	return g.answered(resp)
}

// Ask implements push.Sender. Whatever the service thinks of the question, it is there
// if it answers.
func (g *Gateway) Ask(ctx context.Context) push.Result {
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, g.url, nil)
	if err != nil {
		return push.Result{Outcome: push.Unreached, Err: fmt.Errorf("asking %s: %w", g.url, err)}
	}
	req.Header.Set("User-Agent", g.agent)
	resp, err := g.client.Do(req)
	if err != nil {
		r := g.unanswered(ctx, err)
		r.Outcome = push.Unreached
		return r
	}
	defer resp.Body.Close()
	if r := g.answered(resp); r.Outcome == push.Unreached {
		return r
	}
	return push.Result{Outcome: push.Delivered}
}

func (g *Gateway) unanswered(ctx context.Context, err error) push.Result {
	if outer, ok := errors.AsType[*url.Error](err); ok {
		err = outer.Err
	}
	r := push.Result{Outcome: push.Unreached, Err: fmt.Errorf("asking %s: %w", g.url, err)}
	if ctx.Err() != nil {
		// It was reached, or its address would have answered dialTimeout ago.
		r.Outcome = push.Failed
	}
	return r
}

func (g *Gateway) answered(resp *http.Response) push.Result {
	status := resp.StatusCode
	if status >= 200 && status < 300 {
		return push.Result{Outcome: push.Delivered}
	}
	r := push.Result{
		Outcome: push.Failed,
		Err:     fmt.Errorf("%s answered %d %s", g.url, status, http.StatusText(status)),
	}
	switch status {
	case http.StatusGone:
		r.Outcome = push.Gone
	case http.StatusBadGateway, http.StatusGatewayTimeout:
		r.Outcome = push.Unreached
	case http.StatusServiceUnavailable:
		r.Outcome = push.Unreached
		r.RetryAfter = g.retryAfter(resp)
	case http.StatusTooManyRequests:
		r.RetryAfter = g.retryAfter(resp)
	}
	return r
}

// retryAfter reads the header of that name: seconds, or a date (RFC 9110 §10.2.3).
func (g *Gateway) retryAfter(resp *http.Response) time.Duration {
	now := g.now()
	return min(max(retryafter.Parse(resp.Header.Get("Retry-After"), now).Sub(now), 0), maxRetryAfter)
}

// maxRetryAfter is more than any notification waits.
const maxRetryAfter = 24 * time.Hour
