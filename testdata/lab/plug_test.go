package lab

import (
	"context"
	crand "crypto/rand"
	"crypto/x509"
	"flag"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"chatmaild/testdata/lab/network"
	"chatmaild/testdata/lab/peer"
)

var (
	plugMoments = flag.Int("plug.moments", 20, "how often TestPlug pulls the plug")
	plugSeed    = flag.Uint64("plug.seed", 0, "the seed of an earlier run of TestPlug, for the same moments; 0 takes a new one")
)

const (
	// plugPeople write to each other, plugWriters of them all the time.
	plugPeople  = 8
	plugWriters = 4

	// The plug is pulled after a time between these, from when each client has been
	// served. Linux by itself writes what is dirty for 30 s (vm.dirty_expire_centisecs),
	// and ext4 names without the content of their files every 5 s: so nothing but what is
	// synced on purpose is on the disk, and part of it is.
	plugSoonest = 100 * time.Millisecond
	plugLatest  = 5 * time.Second

	// Each plugLong-th time it is pulled later than all that is said to be on the disk after a
	// while is there.
	plugLong = 10
)

// A plug is a relay whose power fails now and then: what was not written to its disk is gone.
type plug struct {
	*proof
	random *rand.Rand
	people []account
	phones []*plugPhone // of the people

	mu     sync.Mutex
	told   told
	off    bool   // the power is failing: what is told now may or may not be on the disk
	newest string // the account of which a token comes next
	pulled time.Time
}

// told is what clients and the operator were told.
type told struct {
	mail     map[string]string  // a Message-ID that got 250, and its recipient
	woken    map[string]bool    // those to whom others wrote
	accounts map[string]account // by address: those who could log in
	created  int                // of them, also those that were deleted
	tokens   map[string]string  // by address: a push token that was stored
	stored   int                // likewise
	logins   map[string]time.Time
	invites  map[string]*plugInvite // by note
	used     int                    // uses of them
	blocked  map[string]bool        // by address
	deleted  map[string]bool
	shown    *x509.Certificate // the latest that the web server has shown
	renewals int               // how often it was another one
}

func newTold() told {
	return told{
		mail: map[string]string{}, woken: map[string]bool{}, accounts: map[string]account{}, tokens: map[string]string{}, logins: map[string]time.Time{},
		invites: map[string]*plugInvite{}, blocked: map[string]bool{}, deleted: map[string]bool{},
	}
}

// size counts what was told, each kind for itself. An authority takes its time.
func (t told) size() [8]int {
	return [...]int{len(t.mail), t.created, t.stored, len(t.logins), len(t.invites), t.used, len(t.blocked), len(t.deleted)}
}

// TestPlug pulls a relay's plug at random moments while it has much to do. After each
// boot, all is there that anybody was told is there: messages, accounts, push tokens,
// queued notifications, invites and their uses, blocks and deletions, the certificate; and
// last logins but those of the last moment.
func TestPlug(t *testing.T) {
	t.Parallel()
	seed := *plugSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("the moments again: -plug.seed=%d -plug.moments=%d", seed, *plugMoments)
	p := &plug{proof: &proof{}, random: rand.New(rand.NewPCG(seed, 0)), told: newTold()}
	p.start(t)
	for moment := range *plugMoments {
		p.pull(t, moment)
		p.look(t)
		if t.Failed() {
			break
		}
	}
	t.Logf("%d certificates were shown", p.told.renewals)
}

// start starts a relay with a disk of its own, and its users.
func (p *plug) start(t *testing.T) {
	// Nothing answers there: notifications stay in the queue.
	plain := newPlain(t, `notify_url = "`+peer.PushURL+`"`, `registration = "invite"`,
		`max_user_send_per_minute = 60000`, `max_user_send_burst_size = 1000`,
		`max_network_registrations_per_hour = 100000`, `max_registrations_per_minute = 10000`)
	p.lab, p.relay, p.outside = plain.lab, plain.relay, plain.outside
	ctx := deadline(t, stepTimeout)
	plain.authority.Stop()
	plain.authority.IssuedFor = plugCertificate
	for _, step := range []func(context.Context) error{
		plain.authority.Start, p.relay.publishAddresses, p.relay.setUp, p.relay.Shutdown, p.relay.OwnDisk, p.relay.Boot,
	} {
		if err := step(ctx); err != nil {
			t.Fatal(err)
		}
	}
	for len(p.people) < plugPeople {
		a, err := p.register(ctx)
		if err == nil {
			p.people = append(p.people, a)
			p.phones = append(p.phones, &plugPhone{has: map[string]bool{}})
			continue
		}
		p.invite(ctx) // doveauth reads the key of the first one within a second
		if ctx.Err() != nil {
			t.Fatal(err)
		}
	}
}

// pull has clients use the relay until it is killed, and boots it again.
func (p *plug) pull(t *testing.T, moment int) {
	ctx, unplugged := context.WithCancel(t.Context())
	defer unplugged()
	p.forgetLogins(t)
	var clients sync.WaitGroup
	defer clients.Wait()
	for _, from := range p.people[:plugWriters] {
		clients.Go(func() {
			for ctx.Err() == nil { // Postfix hangs up when it takes another certificate
				p.write(ctx, t, from)
				restFor(ctx, poll)
			}
		})
	}
	clients.Go(func() {
		for ctx.Err() == nil {
			if _, err := p.register(ctx); err != nil { // what is not told does not count
				restFor(ctx, poll)
			}
		}
	})
	clients.Go(func() { p.poll(ctx) })
	clients.Go(func() { p.operate(ctx) })
	clients.Go(func() { p.watch(ctx) })
	p.mu.Lock()
	before := p.told.size()
	p.mu.Unlock()
	until(deadline(t, stepTimeout), t, "each client to be served", func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		now := p.told.size()
		for i := range now {
			if now[i] == before[i] {
				return false
			}
		}
		return true
	})
	wait := plugSoonest + time.Duration(p.random.Int64N(int64(plugLatest-plugSoonest)))
	if moment%plugLong == plugLong-1 {
		wait += lastLoginLag
	}
	restFor(ctx, wait)
	p.power(false)
	p.pulled = time.Now()
	if err := p.relay.PullPlug(t.Context()); err != nil {
		t.Fatal(err)
	}
	unplugged()
	clients.Wait()
	p.power(true)
	start := time.Now()
	if err := p.relay.Boot(t.Context()); err != nil {
		t.Fatal(err)
	}
	now := p.told.size()
	for i := range now {
		now[i] -= before[i]
	}
	t.Logf("moment %d, %v after each client was served: told of %d messages, %d accounts, %d tokens, %d last logins, %d invites, %d uses, %d blocks, %d deletions; up again after %v", moment,
		wait.Round(time.Millisecond), now[0], now[1], now[2], now[3], now[4], now[5], now[6], now[7], time.Since(start).Round(time.Second))
}

// power says whether what is told counts.
func (p *plug) power(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.off = !on
}

// note writes down what was told.
func (p *plug) note(f func(*told)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.off {
		f(&p.told)
	}
}

// write sends messages, one after the other, to all people, oneself as well: the copies for
// one's other devices are stored in another way.
func (p *plug) write(ctx context.Context, t *testing.T, from account) {
	c, err := p.outside.SMTP(ctx, p.relay.Domain, network.SubmissionsPort)
	if err != nil {
		return
	}
	defer context.AfterFunc(ctx, func() { c.Close() })()
	defer c.Close()
	if _, err := c.Command("EHLO station.test"); err != nil {
		return
	}
	if _, err := c.Login(from.addr, from.password); err != nil {
		return
	}
	for n := 0; ; n++ {
		to, mail := p.people[n%len(p.people)], sealed(t, from.addr)
		reply, err := c.Send(from.addr, to.addr, mail)
		if err != nil {
			return
		}
		if !strings.HasPrefix(reply, "250 ") {
			p.note(func(*told) { t.Errorf("a message got %q", reply) })
			return
		}
		p.note(func(t *told) {
			t.mail[messageID(mail)] = to.addr
			if to != from {
				t.woken[to.addr] = true
			}
		})
	}
}

// messageID returns what stands in the field, between the angle brackets.
func messageID(header string) string {
	_, rest, _ := strings.Cut(strings.ToLower(header), "message-id: <")
	id, _, _ := strings.Cut(rest, ">")
	return id
}

// register gets an account by an invite, logs in, and stores a push token of it.
func (p *plug) register(ctx context.Context) (a account, err error) {
	if a, err = p.useInvite(ctx); err != nil {
		return a, err
	}
	s, err := p.outside.IMAP(ctx, p.relay.Domain)
	if err != nil {
		return a, err
	}
	defer context.AfterFunc(ctx, func() { s.Close() })()
	defer s.Close()
	if err := s.Login(a.addr, a.password); err != nil {
		return a, err
	}
	p.note(func(t *told) {
		t.accounts[a.addr] = a
		t.created++
		p.newest = a.addr
	})
	if _, err := s.Select(); err != nil {
		return a, err
	}
	token := crand.Text()
	if _, err := s.OK(`SETMETADATA INBOX (/private/devicetoken "%s")`, token); err != nil {
		return a, err
	}
	p.note(func(t *told) {
		t.tokens[a.addr] = token
		t.stored++
		p.newest = ""
	})
	return a, nil
}
