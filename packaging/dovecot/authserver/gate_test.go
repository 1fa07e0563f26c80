package authserver

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// TestStarting lets in no more logins than may start at a time. The next one follows when imap
// has asked for one, when one is cancelled, or when one has not been asked for.
func TestStarting(t *testing.T) {
	bubble(t, func(t *testing.T, r *relay) {
		r.Starting = 2
		p, cookie := r.login(t, 3001)
		m := r.master(t, r.ServeMaster)
		ok := func(id int) { t.Helper(); p.want(fmt.Sprintf("OK\t%d\tuser=%s", id, alice)) }
		for id := 1; id <= 6; id++ { // those of one connection are verified side by side
			p.send(auth(id, "right"))
			if id <= r.Starting {
				ok(id)
			} else {
				p.quiet()
			}
		}
		m.send("REQUEST\t9\t3001\t1\t" + cookie)
		m.want("USER\t9\t" + alice)
		ok(3)
		p.quiet()
		p.send("CANCEL\t5", "CANCEL\t2") // one that waits, and one that is in
		ok(4)
		p.quiet()
		if at := took(func() { ok(6) }); at != startAge {
			t.Errorf("the next login followed after %v, want %v", at, startAge)
		}
		m.send("REQUEST\t10\t3001\t3\t" + cookie) // late, but not too late
		m.want("USER\t10\t" + alice)
	})
}

// TestStartingEnds has who waits let in when the connection of those before has ended.
func TestStartingEnds(t *testing.T) {
	bubble(t, func(t *testing.T, r *relay) {
		r.Starting = 1
		one, _ := r.login(t, 3001)
		two, _ := r.login(t, 3002)
		one.send(auth(1, "right"))
		one.want("OK\t1\tuser=" + alice)
		two.send(auth(1, "right"))
		two.quiet()
		one.net.Close()
		if at := took(func() { two.want("OK\t1\tuser=" + alice) }); at != 0 {
			t.Errorf("let in after %v, want at once", at)
		}
	})
}

// TestGoneMeanwhile has those that wait on a connection that has ended take no time from the
// next one.
func TestGoneMeanwhile(t *testing.T) {
	bubble(t, func(t *testing.T, r *relay) {
		r.Starting, r.Stay = 1, 50*time.Millisecond
		one, _ := r.login(t, 3001)
		two, _ := r.login(t, 3002)
		for id := range 10 {
			one.send(auth(id+1, "right"))
			synctest.Wait()
		}
		one.want("OK\t1\tuser=" + alice)
		two.send(auth(1, "right"))
		two.quiet()
		one.net.Close()
		if at := took(func() { two.want("OK\t1\tuser=" + alice) }); at != r.Stay {
			t.Errorf("let in after %v, want %v", at, r.Stay)
		}
	})
}

// TestWrongLeaves has those who are wrong make room at once, though they are told late, and one
// whose check takes long after startAge. Postfix's logins do not wait for them.
func TestWrongLeaves(t *testing.T) {
	bubble(t, func(t *testing.T, r *relay) {
		r.Starting, r.Stay = 1, 50*time.Millisecond
		p, _ := r.login(t, 3001)
		if at := took(func() {
			for id := range 5 {
				p.send(auth(id+1, "wrong"))
				synctest.Wait()
			}
			p.send(auth(6, "right"))
			p.want("OK\t6\tuser=" + alice)
		}); at != 0 {
			t.Errorf("let in after %v, want at once", at)
		}
		p.send("CANCEL\t6", auth(7, "slow"))
		p.quiet()
		if at := took(func() { p.send(auth(8, "right")); p.want("OK\t8\tuser=" + alice) }); at != r.Stay+startAge {
			t.Errorf("let in after %v, want %v", at, r.Stay+startAge)
		}
		postfix := r.connect(t, r.ServeSASL)
		postfix.handshake(1)
		postfix.send(auth(1, "right"))
		postfix.want("OK\t1\tuser=" + alice)
		close(r.accounts.slow)
	})
}

// TestStay spreads logins over time whose processes ask at once.
func TestStay(t *testing.T) {
	bubble(t, func(t *testing.T, r *relay) {
		r.Starting, r.Stay = 2, 50*time.Millisecond
		p, cookie := r.login(t, 3001)
		m := r.master(t, r.ServeMaster)
		const logins = 6
		for id := 1; id <= logins; id++ {
			p.send(auth(id, "known")) // others of one connection are verified side by side
		}
		at := took(func() {
			for id := 1; id <= logins; id++ {
				p.want(fmt.Sprintf("OK\t%d\tuser=%s", id, alice))
				m.send(fmt.Sprintf("REQUEST\t%d\t3001\t%d\t%s", 10+id, id, cookie))
				m.want(fmt.Sprintf("USER\t%d\t%s", 10+id, alice))
			}
		})
		if want := (logins/2 - 1) * r.Stay; at != want {
			t.Errorf("%d logins began within %v, want %v", logins, at, want)
		}
	})
}
