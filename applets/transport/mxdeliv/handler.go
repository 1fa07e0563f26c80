package mxdeliv

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"chatmaild/mailfilter"
)

// MaxHeader is the largest header of a request in bytes, which is a thousand recipients
// with addresses as most relays have them. nginx is configured for the same.
const MaxHeader = 128 << 10

// readTimeout bounds the time in which a message comes: the slowest line on which the
// largest message makes it has some 400 kbit/s.
const readTimeout = 10 * time.Minute

// writeTimeout bounds the time that nginx takes for an answer.
const writeTimeout = 10 * time.Second

// Filter takes messages; a *proxy.Server is one.
type Filter interface {
	// Deliver returns an SMTP reply without its last line end: 2yz if and only if the
	// message is in the queue. If ctx is done before that, it does not get there.
	Deliver(ctx context.Context, env mailfilter.Envelope, message io.Reader) (reply string)
}

// Options says what a handler does.
type Options struct {
	Name   string // what to call oneself in the trace
	Filter Filter
	Now    func() time.Time // for the trace

	// MaxAtOnce is how many messages may come at once. A message holds one of the
	// filter's places for as long as it takes to come, so those who come by SMTP,
	// which Postfix gathers first, need the others.
	MaxAtOnce int

	// Answered, if set, is called with the status of each answer.
	Answered func(status int)
}

// handler answers [Path].
type handler struct {
	Options
	places chan struct{}
}

// New returns the handler of [Path], for requests from nginx.
func New(o Options) http.Handler {
	return &handler{o, make(chan struct{}, o.MaxAtOnce)}
}

const sayBusy = "451 4.3.2 Too many messages at once, try again later"

// ServeHTTP implements http.Handler.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	status, reply := h.answer(w, r)
	if status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", http.MethodPost)
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, reply)
	if h.Answered != nil {
		h.Answered(status)
	}
}

func (h *handler) answer(w http.ResponseWriter, r *http.Request) (status int, reply string) {
	if r.Method != http.MethodPost {
		return http.StatusMethodNotAllowed, "502 5.5.1 Only POST works here"
	}
	client, err := netip.ParseAddr(r.Header.Get(clientField))
	if err != nil {
		return http.StatusServiceUnavailable, "451 4.3.5 The web server does not say who the client is"
	}
	select {
	case h.places <- struct{}{}:
		defer func() { <-h.places }()
	default:
		return http.StatusServiceUnavailable, sayBusy
	}
	connection, now := http.NewResponseController(w), time.Now()
	if connection.SetReadDeadline(now.Add(readTimeout)) != nil || connection.SetWriteDeadline(now.Add(readTimeout+writeTimeout)) != nil {
		return http.StatusServiceUnavailable, "451 4.3.0 Internal error, try again later"
	}
	env := mailfilter.Envelope{Sender: r.Header.Get(senderField), Recipients: r.Header.Values(recipientField)}
	reply = h.Filter.Deliver(r.Context(), env, io.MultiReader(strings.NewReader(h.trace(client, h.Now())), r.Body))
	return Status(reply), reply
}

// trace is the Received field of a message, as smtpd would add it: the filter reads the
// client's address from it.
func (h *handler) trace(client netip.Addr, now time.Time) string {
	literal := client.Unmap().String()
	if client.Unmap().Is6() {
		literal = "IPv6:" + literal
	}
	return fmt.Sprintf("Received: from [%s] (unknown [%s])\r\n\tby %s with HTTPS;\r\n\t%s\r\n",
		literal, literal, h.Name, now.Format(time.RFC1123Z))
}

// Statuses returns all that a request can be answered with, in a fixed order, for those
// who count them.
func Statuses() []int {
	return []int{
		http.StatusOK, http.StatusBadRequest, http.StatusMethodNotAllowed,
		http.StatusRequestEntityTooLarge, http.StatusServiceUnavailable,
	}
}

// Status is the status that goes with an SMTP reply.
func Status(reply string) int {
	switch {
	case strings.HasPrefix(reply, "2"):
		return http.StatusOK
	case strings.HasPrefix(reply, "552"):
		return http.StatusRequestEntityTooLarge
	case strings.HasPrefix(reply, "5"):
		return http.StatusBadRequest
	default:
		return http.StatusServiceUnavailable
	}
}
