package lab

import (
	"context"
	"crypto/rand"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"chatmaild/applets/chat/imap"
	"chatmaild/testdata/lab/peer"
	"chatmaild/testdata/lab/program"
)

// A pushProof is what the steps of the part "push" share.
type pushProof struct {
	*proof
	service *peer.PushService
	alice   account
	token   string
	tokens  []string // all that were ever stored
}

// pushes is the proof that a new message wakes the devices of its receiver.
func (p *proof) pushes(t *testing.T) {
	ctx := deadline(t, partTimeout)
	k := &pushProof{proof: p, service: startPushService(ctx, t, p.lab, p.relay)}
	k.alice = p.newAccount(t)
	eachStep(t, k, []step[*pushProof]{
		{"one message", (*pushProof).oneMessage},
		{"own mail", (*pushProof).ownMail},
		{"a device that is gone", (*pushProof).gone},
		{"outage and crash", (*pushProof).outage},
		{"no daemon", (*pushProof).noDaemon},
		{"full disk", (*pushProof).fullDisk},
		{"journal", (*pushProof).journal},
	})
}

// startPushService starts the service that the relays notify, and has them trust it.
func startPushService(ctx context.Context, t *testing.T, l *Lab, relays ...*Relay) *peer.PushService {
	t.Helper()
	service, err := peer.AddPushService(ctx, l.Network)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range relays {
		if err := r.TrustRoot(ctx, "lab-push", service.Root); err != nil {
			t.Fatal(err)
		}
		sh(t, r, "systemctl restart chatmaild-metadata.service")
	}
	if err := service.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(service.Stop)
	return service
}

// store stores a new token of an account, in the words of the core.
func (k *pushProof) store(t *testing.T, s *imap.Client) string {
	t.Helper()
	token := "openpgp:" + rand.Text() + rand.Text() + "+/="
	if _, err := s.OK("SETMETADATA INBOX (/private/devicetoken {%d+}\r\n%s)", len(token), token); err != nil {
		t.Fatal(err)
	}
	k.tokens = append(k.tokens, token)
	return token
}

// stored returns the tokens of a session's account.
func stored(t *testing.T, s *imap.Client) string {
	t.Helper()
	untagged, err := s.OK("GETMETADATA INBOX (/private/devicetoken)")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(untagged, "\n")
}

// waitPost waits until a token was notified more often than n times.
func (k *pushProof) waitPost(t *testing.T, token string, n int) time.Time {
	t.Helper()
	var times []time.Time
	until(deadline(t, partTimeout), t, "a notification", func() bool {
		times = k.service.Times(token)
		return len(times) > n
	})
	return times[n]
}

func (k *pushProof) oneMessage(t *testing.T) {
	session := k.imap(t, k.alice)
	k.token = k.store(t, session)
	if got := stored(t, session); !strings.Contains(got, k.token) {
		t.Errorf("stored: %s", got)
	}
	smtp := k.submission(t, k.sender)
	for n := range 5 {
		before := time.Now()
		k.send(t, smtp, k.sender, k.alice.addr)
		accepted := time.Now()
		post := k.waitPost(t, k.token, n)
		t.Logf("POST %v after the submission began, %v after its 250", post.Sub(before).Round(time.Millisecond), post.Sub(accepted).Round(time.Millisecond))
	}
	if got := k.service.Protocols(); !slices.Equal(got, []string{"HTTP/2.0"}) {
		t.Errorf("protocols: %v, want HTTP/2.0", got)
	}
}

// ownMail sends to oneself: the copy for one's other devices wakes none. What
// is sent to another one afterwards shows that enough time was given.
func (k *pushProof) ownMail(t *testing.T) {
	other := k.newAccount(t)
	marker := k.store(t, k.imap(t, other))
	before := len(k.service.Times(k.token))
	smtp := k.submission(t, k.alice)
	k.send(t, smtp, k.alice, k.alice.addr)
	k.delivered(t)
	k.send(t, smtp, k.alice, other.addr)
	k.waitPost(t, marker, 0)
	if got := len(k.service.Times(k.token)); got != before {
		t.Errorf("mail from oneself made %d notifications", got-before)
	}
}

func (k *pushProof) gone(t *testing.T) {
	session := k.imap(t, k.alice)
	second := k.store(t, session)
	k.service.Answer(second, http.StatusGone)
	k.send(t, k.submission(t, k.sender), k.sender, k.alice.addr)
	k.waitPost(t, second, 0)
	until(deadline(t, partTimeout), t, "the token to be removed", func() bool {
		return !strings.Contains(stored(t, session), second)
	})
	if got := stored(t, session); !strings.Contains(got, k.token) {
		t.Errorf("the other device's token went, too: %s", got)
	}
}

// outage has the service down during 100 messages, and the daemon killed in
// the middle of them, and again before the service is back.
func (k *pushProof) outage(t *testing.T) {
	const messages = 100
	const kill = "systemctl kill -s KILL chatmaild-metadata.service"
	to, tokens := make([]account, messages), make([]string, messages)
	for i := range to {
		to[i] = k.newAccount(t)
		s := k.imap(t, to[i])
		tokens[i] = k.store(t, s)
		s.Close()
	}
	k.service.Stop()
	smtp := k.submission(t, k.sender)
	for i := range to {
		k.send(t, smtp, k.sender, to[i].addr)
		if i == messages/2 {
			k.delivered(t)
			k.script(t, kill)
		}
	}
	k.delivered(t)
	k.script(t, kill)
	if err := k.service.Start(); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	until(deadline(t, partTimeout), t, "all notifications", func() bool {
		for _, token := range tokens {
			if len(k.service.Times(token)) == 0 {
				return false
			}
		}
		return true
	})
	most := 0
	for _, token := range tokens {
		most = max(most, len(k.service.Times(token)))
	}
	t.Logf("all %d notified %v after the service was back, none more than %d times", messages, time.Since(start).Round(time.Millisecond), most)
	k.forgive(t)
}

// forgive clears what systemd counted: these restarts were ours.
func (k *pushProof) forgive(t *testing.T) {
	t.Helper()
	k.script(t, "systemctl reset-failed chatmaild-metadata.service")
}

// noDaemon delivers while nobody listens.
func (k *pushProof) noDaemon(t *testing.T) {
	k.script(t, "systemctl stop chatmaild-metadata.socket chatmaild-metadata.service")
	k.mailArrives(t)
	k.script(t, "systemctl start chatmaild-metadata.socket chatmaild-metadata.service")
	k.works(t)
}

// fullDisk gives the daemon a disk that is full.
func (k *pushProof) fullDisk(t *testing.T) {
	const state = "/var/lib/chatmaild"
	k.script(t, `systemctl stop chatmaild-metadata.service
size=$(du -sk %[1]s | cut -f 1)
cp -a %[1]s /run/kept
mount -t tmpfs -o size=$((size + 1024))k tmpfs %[1]s
cp -a /run/kept/. %[1]s/
chown --reference=/run/kept %[1]s
chmod --reference=/run/kept %[1]s
systemctl start chatmaild-metadata.service
! dd if=/dev/zero of=%[1]s/filler bs=4k 2>/dev/null`, state)
	// What the database has left inside of its file is soon used up.
	refused := false
	for range 40 {
		s := k.imap(t, k.newAccount(t))
		for range 16 {
			token := strings.Repeat(rand.Text(), peer.MaxToken/len(rand.Text()))
			if _, status, err := s.Command("SETMETADATA INBOX (/private/devicetoken {%d+}\r\n%s)", len(token), token); err != nil {
				t.Fatal(err)
			} else if refused = strings.HasPrefix(status, "NO"); refused {
				t.Logf("SETMETADATA on a full disk: %s", status)
				break
			}
		}
		s.Close()
		if refused {
			break
		}
	}
	if !refused {
		t.Error("tokens are stored on a full disk")
	}
	k.mailArrives(t)
	k.script(t, `systemctl stop chatmaild-metadata.service
umount %[1]s
systemctl start chatmaild-metadata.service`, state)
	k.works(t)
}

// mailArrives shows that mail is delivered as ever.
func (k *pushProof) mailArrives(t *testing.T) {
	t.Helper()
	session := k.imap(t, k.alice)
	before, err := session.Select()
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	k.send(t, k.submission(t, k.sender), k.sender, k.alice.addr)
	if _, err := session.Wait(before); err != nil {
		t.Fatal(err)
	}
	t.Logf("delivered in %v", time.Since(start).Round(time.Millisecond))
	k.delivered(t)
}

// works shows that the daemon does, and has the token that it had.
func (k *pushProof) works(t *testing.T) {
	t.Helper()
	before := len(k.service.Times(k.token))
	k.send(t, k.submission(t, k.sender), k.sender, k.alice.addr)
	k.waitPost(t, k.token, before)
}

// journal looks for what must not be in it.
func (k *pushProof) journal(t *testing.T) {
	log, err := k.relay.Journal(deadline(t, partTimeout), "--unit=chatmaild-*", "--output=cat")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(log) {
		for _, secret := range append(k.tokens, "@"+k.relay.Domain, k.outside.IPv4.String(), k.outside.IPv6.String()) {
			if strings.Contains(line, secret) {
				t.Errorf("the journal tells %q: %s", secret, line)
			}
		}
	}
	if !strings.Contains(log, "notification service") {
		t.Errorf("the journal has nothing of the outage:\n%s", program.Tail(log, 20))
	}
}
