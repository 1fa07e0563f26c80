package signup

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	"golang.org/x/time/rate"

	"chatmaild/packaging/www"
	"chatmaild/packaging/www/qrcode"
)

// Bounds. A relay that grew as fast as any has so far made 5000 accounts an hour;
// these only keep a flood from costing more than a little of one core.
const (
	maxBody       = 4 << 10 // bytes of a request; the app sends none
	newPerSecond  = 100
	newBurst      = 1000
	drawPerSecond = 50
	drawBurst     = 200
	retryAfter    = 5 // seconds, when there is too much
)

// The paths that New's handler answers.
const (
	newPath     = "/new"
	oldPath     = "/cgi-bin/newemail.py" // the Python relay's
	picturePath = "/new.svg"
)

// Paths returns the paths that New's handler answers; everything else is files.
func Paths() []string { return []string{newPath, oldPath, picturePath} }

// Options are what the handler needs to know.
type Options struct {
	Host         string // of the relay's URLs: mail_domain, without brackets
	SelfSigned   bool   // apps do not verify the certificate, unless their link wants it
	Verified     bool   // which it does: an authority has signed it
	Registration Registration
	Hidden       bool // only those with an invite are told that there is anything
	Log          *slog.Logger

	// Shown, if set, is called for each invite that was looked at, not used.
	Shown func()
}

// handler answers /new and its like.
type handler struct {
	Options
	create, draw *rate.Limiter
}

// New returns the handler of the web daemon.
func New(o Options) http.Handler {
	h := &handler{
		Options: o,
		create:  rate.NewLimiter(newPerSecond, newBurst),
		draw:    rate.NewLimiter(drawPerSecond, drawBurst),
	}
	return h.routes()
}

func (h *handler) routes() http.Handler {
	mux := http.NewServeMux()
	if h.Hidden {
		mux.HandleFunc("POST "+newPath, h.post)
		return bounded(mux)
	}
	for _, path := range []string{newPath, oldPath} {
		mux.HandleFunc("POST "+path, h.post)
		mux.HandleFunc("GET "+path, h.get)
		mux.HandleFunc(path, notAllowed)
	}
	if h.SelfSigned {
		mux.HandleFunc("GET "+picturePath, h.picture)
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		h.refuse(w, &Refusal{http.StatusNotFound, "There is no such page on this relay."})
	})
	return bounded(mux)
}

// bounded keeps requests small and answers private.
func bounded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		next.ServeHTTP(w, r)
	})
}

// answer is the body of a 200.
type answer struct {
	Credentials
	LoginURL string `json:"dclogin_url,omitempty"`
}

func (h *handler) post(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength > maxBody {
		h.refuse(w, &Refusal{http.StatusRequestEntityTooLarge, "The request is too large."})
		return
	}
	token, err := inviteToken(r)
	if err != nil {
		h.refuse(w, err)
		return
	}
	c, err := h.register(r.Context(), token, h.create)
	switch {
	case err != nil:
		h.refuse(w, err)
	case !h.SelfSigned:
		writeJSON(w, http.StatusOK, answer{Credentials: c})
	case r.URL.Query().Has(confirmed):
		h.profile(w, c)
	default:
		writeJSON(w, http.StatusOK, answer{c, c.LoginLink(h.Host, h.Verified)})
	}
}

// get uses no invite up, so nothing that a GET or HEAD asks for may depend on one.
func (h *handler) get(w http.ResponseWriter, r *http.Request) {
	token, err := inviteToken(r)
	switch {
	case err != nil:
		h.refuse(w, err)
	case !h.SelfSigned:
		redirect(w, "dcaccount:"+www.NewURL(h.Host, token))
	case token != "":
		h.invite(w, token)
	default:
		c, err := h.register(r.Context(), "", h.create)
		if err != nil {
			h.refuse(w, err)
			return
		}
		redirect(w, c.LoginLink(h.Host, h.Verified))
	}
}

// redirect sends a browser on to the app. The link is one that we made; http.Redirect
// would take its scheme for a path.
func redirect(w http.ResponseWriter, link string) {
	w.Header().Set("Location", link)
	w.WriteHeader(http.StatusFound)
}

// picture takes no invite: a browser fetches it without anyone having pressed a button.
func (h *handler) picture(w http.ResponseWriter, r *http.Request) {
	c, err := h.register(r.Context(), "", h.draw)
	if err != nil {
		h.refuse(w, err)
		return
	}
	code, err := qrcode.Encode(c.LoginLink(h.Host, h.Verified))
	if err != nil {
		h.refuse(w, err)
		return
	}
	w.Header().Set("Content-Type", "image/svg+xml")
	w.Write(code.SVG())
}

// register asks the registration for credentials, at no more than the limit's rate.
func (h *handler) register(ctx context.Context, token string, limit *rate.Limiter) (Credentials, error) {
	if !limit.Allow() {
		return Credentials{}, &Refusal{http.StatusTooManyRequests, "Too many people want a profile at this moment. Please try again in a minute."}
	}
	return h.Registration.Register(ctx, token)
}

// maxToken is the length of the longest token that is looked up. A token consists
// of these characters: a table of them, made by package regexp, would cost each of
// our daemons 100 KB.
const (
	maxToken        = 128
	tokenCharacters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._~-"
)

// inviteToken returns the invite's token, which needs no escaping (RFC 3986 §2.3).
func inviteToken(r *http.Request) (string, error) {
	t := r.URL.Query().Get("t")
	if len(t) > maxToken || strings.Trim(t, tokenCharacters) != "" {
		return "", &Refusal{http.StatusBadRequest, "This invite link is damaged. Please ask for a new one."}
	}
	return t, nil
}

// refuse answers with err if it is a Refusal; every other error is ours, and only
// the log gets it.
func (h *handler) refuse(w http.ResponseWriter, err error) {
	refusal := &Refusal{http.StatusServiceUnavailable, "The relay cannot create a profile at the moment. Please try again later."}
	if !errors.As(err, &refusal) {
		h.Log.Error("cannot answer", "error", err)
	}
	if h.Hidden {
		refusal = &Refusal{http.StatusNotFound, ""}
	}
	if refusal.Status == http.StatusTooManyRequests || refusal.Status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", strconv.Itoa(retryAfter))
	}
	writeJSON(w, refusal.Status, map[string]string{"reason": refusal.Reason})
}

func notAllowed(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Allow", "GET, HEAD, POST")
	writeJSON(w, http.StatusMethodNotAllowed, map[string]string{"reason": "Only GET and POST work here."})
}

// writeJSON writes v. An error means that the other side is gone: nobody to tell.
func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false) // & in dclogin_url; the answer is never part of a page
	_ = e.Encode(v)
}
