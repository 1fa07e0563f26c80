package filtermail

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"chatmaild/applets/config"
	"chatmaild/applets/service"
	"chatmaild/applets/service/metric"
	"chatmaild/mailfilter"
	"chatmaild/mailfilter/proxy"
	"chatmaild/mailfilter/ratelimit"
	"chatmaild/store/directory/placement"
)

const (
	// countTimeout is how long another machine may take to say whether a sender may send.
	countTimeout = 200 * time.Millisecond
	// countRest is how long one that did not is not asked.
	countRest = 3 * time.Second
	// maxAddress bounds what is asked, in bytes (RFC 5321, section 4.5.3.1).
	maxAddress = 320
)

// shared is the limit on sending over all machines of a relay, whichever of them a sender
// uses: one of them counts for each sender, chosen by the address, so that they need to agree
// on nothing but their list. While that one does not answer, each counts for itself.
type shared struct {
	own    mailfilter.Limiter
	here   string
	place  *placement.Machines
	others map[string]string // their URLs by name
	from   map[netip.Addr]bool
	client *http.Client
	now    func() time.Time

	mu      sync.Mutex
	resting map[string]time.Time // until when a machine is not asked
}

var _ mailfilter.Limiter = (*shared)(nil)

func newShared(conf *config.Config, own mailfilter.Limiter) *shared {
	s := &shared{
		own: own, here: conf.Cluster.Name, others: map[string]string{}, from: map[netip.Addr]bool{}, resting: map[string]time.Time{},
		client: &http.Client{Timeout: countTimeout, Transport: &http.Transport{MaxIdleConnsPerHost: 16, IdleConnTimeout: time.Minute}}, now: time.Now,
	}
	var all []placement.Machine
	for _, m := range config.Members(conf) {
		all = append(all, placement.Machine{Name: m.Name, Room: 1})
		s.from[m.Addr] = true
		s.others[m.Name] = "http://" + net.JoinHostPort(m.Addr.String(), strconv.Itoa(config.MemberLimitPort)) + "/"
	}
	s.place = placement.New(all)
	return s
}

// Allow implements mailfilter.Limiter.
func (s *shared) Allow(sender string) bool {
	counts, err := s.place.Home(sender)
	if err != nil || counts == s.here || s.rests(counts) {
		return s.own.Allow(sender)
	}
	allowed, err := s.ask(counts, sender)
	if err != nil {
		s.rest(counts)
		return s.own.Allow(sender)
	}
	return allowed
}

// errAnswer is what another machine says that knows nothing of limits.
var errAnswer = errors.New("an answer that is none")

// ask asks another machine.
func (s *shared) ask(machine, sender string) (allowed bool, err error) {
	res, err := s.client.Post(s.others[machine], "text/plain", strings.NewReader(sender))
	if err != nil {
		return false, err
	}
	res.Body.Close()
	switch res.StatusCode {
	case http.StatusNoContent:
		return true, nil
	case http.StatusTooManyRequests:
		return false, nil
	}
	return false, errAnswer
}

func (s *shared) rests(machine string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	left := s.resting[machine].Sub(s.now())
	return left > 0 && left <= countRest // a clock that was set back ends it
}

func (s *shared) rest(machine string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.resting[machine] = s.now().Add(countRest)
}

// ServeHTTP answers the other machines. It counts for whom they ask, even if by its own list
// another machine should: while the lists differ, each sender has one more allowance at most.
func (s *shared) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !s.from[from.Addr().Unmap()] {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	sender, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxAddress))
	switch {
	case err != nil || len(sender) == 0 || r.Method != http.MethodPost:
		w.WriteHeader(http.StatusBadRequest)
	case s.own.Allow(string(sender)):
		w.WriteHeader(http.StatusNoContent)
	default:
		w.WriteHeader(http.StatusTooManyRequests)
	}
}

// endpoint is where the others ask.
func (s *shared) endpoint(conf *config.Config, _ *metric.Set, _ *proxy.Server, log *slog.Logger) []service.Endpoint {
	address := net.JoinHostPort(config.Self(conf).Addr.String(), strconv.Itoa(config.MemberLimitPort))
	return []service.Endpoint{{
		Name: "limit", Address: service.Address{Network: "tcp", Addr: address},
		Serve: func(ctx context.Context, l net.Listener) error { return service.ServeHTTP(ctx, l, s, log) },
	}}
}

// limiter limits each sender: on this machine, or over all of several.
func limiter(conf *config.Config) (own mailfilter.Limiter, all *shared, err error) {
	// Its clock is monotonic: it counts from now on.
	start := time.Now()
	own, err = ratelimit.New(ratelimit.Options{
		PerMinute: conf.MaxUserSendPerMinute,
		Burst:     conf.MaxUserSendBurstSize,
		Now:       func() time.Duration { return time.Since(start) },
	})
	if err != nil || !config.Clustered(conf) {
		return own, nil, err
	}
	all = newShared(conf, own)
	return all, all, nil
}
