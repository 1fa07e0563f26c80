// Package sharedlimit has the machines of a relay keep one limit among them, so that who
// uses several of them gains nothing: on sending, for each user; on new accounts, for all.
//
// One of the machines counts, chosen by what is counted, and the others ask it by HTTP, in
// the network of the machines. They need to agree on nothing but their list. Counts are in
// memory alone. While the machine that counts does not answer, each counts for itself: a
// limit that is too wide for a while is better than no mail and no accounts.
package sharedlimit

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
	"chatmaild/store/directory/placement"
)

const (
	// askTimeout is how long another machine may take to answer.
	askTimeout = 200 * time.Millisecond
	// restTime is how long one that did not is not asked.
	restTime = 3 * time.Second
	// maxKey bounds what is asked, in bytes: an address has no more (RFC 5321, section
	// 4.5.3.1). maxReason bounds why not.
	maxKey, maxReason = 320, 100
)

// Count counts one more for key, or says why not: a few words, which may be empty.
type Count func(key string) (ok bool, reason string)

// Limit is a limit as one of the machines keeps it.
type Limit struct {
	own    Count
	here   string
	listen string
	place  *placement.Machines
	others map[string]string // their URLs by name
	from   map[netip.Addr]bool
	client *http.Client
	now    func() time.Time

	mu      sync.Mutex
	resting map[string]time.Time // until when a machine is not asked
}

// New returns a limit that the machines ask each other for at a port. Own counts here.
func New(conf *config.Config, port int, own Count) *Limit {
	l := &Limit{
		own: own, here: conf.Cluster.Name, listen: at(config.Self(conf), port),
		others: map[string]string{}, from: map[netip.Addr]bool{}, resting: map[string]time.Time{},
		client: &http.Client{Timeout: askTimeout, Transport: &http.Transport{MaxIdleConnsPerHost: 16, IdleConnTimeout: time.Minute}}, now: time.Now,
	}
	var all []placement.Machine
	for _, m := range config.Members(conf) {
		if m.Confirms() {
			all = append(all, placement.Machine{Name: m.Name, Room: 1})
		}
		l.from[m.Addr] = true
		l.others[m.Name] = "http://" + at(m, port) + "/"
	}
	l.place = placement.New(all)
	return l
}

func at(m config.Member, port int) string {
	return net.JoinHostPort(m.Addr.String(), strconv.Itoa(port))
}

// Take counts one more for key, where it is counted for all that share the name by: here, or
// at another machine.
func (l *Limit) Take(by, key string) (ok bool, reason string) {
	counts, err := l.place.Home(by)
	if err != nil || counts == l.here || l.rests(counts) {
		return l.own(key)
	}
	ok, reason, err = l.ask(counts, key)
	if err != nil {
		l.rest(counts)
		return l.own(key)
	}
	return ok, reason
}

// errAnswer is what another machine says that knows nothing of limits.
var errAnswer = errors.New("an answer that is none")

// ask asks another machine.
func (l *Limit) ask(machine, key string) (ok bool, reason string, err error) {
	res, err := l.client.Post(l.others[machine], "text/plain", strings.NewReader(key))
	if err != nil {
		return false, "", err
	}
	defer res.Body.Close()
	switch res.StatusCode {
	case http.StatusNoContent:
		return true, "", nil
	case http.StatusTooManyRequests:
		text, err := io.ReadAll(io.LimitReader(res.Body, maxReason))
		return false, string(text), err
	}
	return false, "", errAnswer
}

func (l *Limit) rests(machine string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	left := l.resting[machine].Sub(l.now())
	return left > 0 && left <= restTime // a clock that was set back ends it
}

func (l *Limit) rest(machine string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.resting[machine] = l.now().Add(restTime)
}

// ServeHTTP answers the other machines. It counts for whom they ask, even if by its own list
// another machine should: while the lists differ, each has one more allowance at most.
func (l *Limit) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !l.from[from.Addr().Unmap()] {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	key, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxKey))
	if err != nil || len(key) == 0 || r.Method != http.MethodPost {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if ok, reason := l.own(string(key)); !ok {
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = io.WriteString(w, reason) // who has gone away needs no answer
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// Endpoint is where the others ask. It is there before the network of the machines is:
// nobody who is served by this machine waits for that.
func (l *Limit) Endpoint(name string, log *slog.Logger) service.Endpoint {
	return service.Endpoint{
		Name: name, Address: service.Address{Network: "tcp", Addr: l.listen, Early: true},
		Serve: func(ctx context.Context, listener net.Listener) error {
			return service.ServeHTTP(ctx, listener, l, log)
		},
	}
}
