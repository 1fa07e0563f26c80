package lab

import (
	"context"
	crand "crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"chatmaild/testdata/lab/network"
)

// plugUses is how often each invite can be used.
const plugUses = 20

// A plugInvite is one that was printed.
type plugInvite struct {
	token       string
	tried, used int // uses that were asked for, and those that were given
}

// operate has an operator create invites, and block and delete accounts.
func (p *plug) operate(ctx context.Context) {
	for ctx.Err() == nil {
		p.invite(ctx)
		if addr := p.victim(); addr != "" {
			p.change(ctx, "block", addr, func(t *told) { t.blocked[addr] = true })
		}
		if addr := p.victim(); addr != "" {
			p.change(ctx, "delete", addr, func(t *told) { t.deleted[addr] = true })
		}
	}
}

// victim is an account that nobody needs; "" if there is none. From now on it may be there or
// not.
func (p *plug) victim() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	for addr := range p.told.accounts {
		if addr != p.newest && !p.person(addr) {
			delete(p.told.accounts, addr)
			delete(p.told.tokens, addr)
			return addr
		}
	}
	return ""
}

// change runs a command, and notes that it was done.
func (p *plug) change(ctx context.Context, what, addr string, done func(*told)) {
	if _, err := p.relay.Run(ctx, "chatmaild", "user", what, addr); err == nil {
		p.note(done)
	}
}

// invite creates an invite.
func (p *plug) invite(ctx context.Context) {
	note := crand.Text()
	out, err := p.relay.Run(ctx, "chatmaild", "invite", "create", "--json", "--uses", strconv.Itoa(plugUses), "--note", note)
	var made struct{ Token string }
	if err == nil && json.Unmarshal([]byte(out), &made) == nil {
		p.note(func(t *told) { t.invites[note] = &plugInvite{token: made.Token} })
	}
}

// errNoInvite says that all invites were tried as often as they can be used.
var errNoInvite = errors.New("no invite is left")

// useInvite asks for an account by an invite.
func (p *plug) useInvite(ctx context.Context) (account, error) {
	var with *plugInvite
	p.mu.Lock()
	for _, i := range p.told.invites {
		if i.tried < plugUses {
			i.tried++ // whether anybody is told of it or not
			with = i
			break
		}
	}
	p.mu.Unlock()
	if with == nil {
		return account{}, errNoInvite
	}
	browser := &http.Client{Transport: &http.Transport{
		DialContext: p.outside.DialContext, TLSClientConfig: network.Insecure(p.relay.Domain), DisableKeepAlives: true,
	}}
	resp, text, err := browse(ctx, browser, http.MethodPost, "https://"+p.relay.Domain+"/new?t="+with.token)
	if err != nil {
		return account{}, err
	}
	if resp.StatusCode != http.StatusOK {
		return account{}, errors.New(resp.Status)
	}
	var made struct{ Email, Password string }
	if err := json.Unmarshal([]byte(text), &made); err != nil {
		return account{}, err
	}
	p.note(func(t *told) {
		t.used++
		with.used++
	})
	return account{made.Email, made.Password}, nil
}

// lookAtInvites wants each invite, with neither more uses than are left nor fewer.
func (p *plug) lookAtInvites(t *testing.T) {
	t.Helper()
	var listed []struct {
		Note string
		Uses int `json:"uses_left"`
	}
	if err := json.Unmarshal([]byte(p.script(t, "chatmaild invite list --json")), &listed); err != nil {
		t.Fatal(err)
	}
	left := map[string]int{} // one that is used up is not listed
	for _, i := range listed {
		left[i.Note] = i.Uses
	}
	for note, i := range p.told.invites {
		switch n := left[note]; {
		case n > plugUses-i.used:
			t.Errorf("an invite has %d uses left, of %d after %d", n, plugUses, i.used)
		case n < plugUses-i.tried:
			t.Errorf("an invite has %d uses left, of %d after %d tries: it, or uses of it, are lost", n, plugUses, i.tried)
		}
		if left[note] == 0 {
			delete(p.told.invites, note)
		}
	}
}

// lookAtChanges wants who was blocked to be so, and who was deleted not to be there.
func (p *plug) lookAtChanges(t *testing.T) {
	t.Helper()
	blocked := p.script(t, "find /home/vmail/mail/%s -mindepth 2 -maxdepth 2 -name password -exec grep -l '^!' {} +", p.relay.Domain)
	for addr := range p.told.blocked {
		if !strings.Contains(blocked, "/"+addr+"/") {
			t.Errorf("an account is not blocked any more: %s", addr)
		}
	}
	there := p.script(t, "find /home/vmail/mail/%s -mindepth 2 -maxdepth 2 -name password -size +0", p.relay.Domain)
	for addr := range p.told.deleted {
		if strings.Contains(there, "/"+addr+"/") {
			t.Errorf("an account that was deleted is there: %s", addr)
		}
	}
}
