package authserver

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestLogin(t *testing.T) {
	bubble(t, func(t *testing.T, r *relay) {
		p, cookie := r.login(t, 3001)
		p.send(auth(1, "right"))
		p.want("OK\t1\tuser=" + alice)
		m := r.master(t, r.ServeMaster)
		m.send("REQUEST\t9\t3001\t1\t" + cookie + "\tsession_pid=5\trequest_auth_token")
		m.want("USER\t9\t" + alice)
		m.send("REQUEST\t10\t3001\t1\t" + cookie)
		m.want("FAIL\t10") // once only
	})
}

// TestElsewhere has imap-login hand a session on. Nobody asks for the login then, and
// Postfix is told nothing of it.
func TestElsewhere(t *testing.T) {
	via := func(id int, password, proxy string) string {
		return strings.Replace(auth(id, password), "\tresp=", "\treal_rip="+proxy+"\tresp=", 1)
	}
	bubble(t, func(t *testing.T, r *relay) {
		p, cookie := r.login(t, 3001)
		p.send(via(1, "right", "192.0.2.7"))
		p.want("OK\t1\tuser=" + alice + "\tnologin\tproxy\thost=192.0.2.7\tport=143\tproxy_timeout=5\tpass=right")
		m := r.master(t, r.ServeMaster)
		m.send("REQUEST\t9\t3001\t1\t" + cookie)
		m.want("FAIL\t9")
		p.send(via(2, "wrong", "192.0.2.7"))
		p.want("FAIL\t2\tuser=" + alice)
		p.send(via(3, "right", "192.0.2.8"))
		p.want("FAIL\t3\tuser=" + alice + "\tcode=temp_fail")
		postfix := r.connect(t, r.ServeSASL)
		postfix.handshake(1)
		postfix.send(via(1, "right", "192.0.2.7"))
		postfix.want("OK\t1\tuser=" + alice)
	})
}

// TestRemembered lets a login in that the Handler remembers, beside one that waits.
func TestRemembered(t *testing.T) {
	bubble(t, func(t *testing.T, r *relay) {
		p, cookie := r.login(t, 3001)
		p.send(auth(1, "slow"), auth(2, "known"))
		p.want("OK\t2\tuser=" + alice)
		m := r.master(t, r.ServeMaster)
		m.send("REQUEST\t9\t3001\t2\t" + cookie)
		m.want("USER\t9\t" + alice)
		close(r.accounts.slow)
		p.want("OK\t1\tuser=" + alice)
	})
}

func TestClientAddress(t *testing.T) {
	bubble(t, func(t *testing.T, r *relay) {
		p, _ := r.login(t, 3001)
		p.send(auth(1, "here"))
		p.want("OK\t1\tuser=192.0.2.1")
	})
}

// TestRefusedLate refuses two logins after failureDelay each, and lets a third one
// in meanwhile, on the same connection.
func TestRefusedLate(t *testing.T) {
	bubble(t, func(t *testing.T, r *relay) {
		p, _ := r.login(t, 3001)
		late := took(func() {
			p.send(auth(1, "wrong"), "AUTH\t2\tPLAIN\tresp=AAAA")
			p.quiet()
			if at := took(func() { p.send(auth(3, "right")); p.want("OK\t3\tuser=" + alice) }); at != 0 {
				t.Errorf("the right password waited for %v", at)
			}
			if got, want := p.sorted(2), []string{"FAIL\t1\tuser=" + alice, "FAIL\t2"}; !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		})
		if late != failureDelay {
			t.Errorf("the refusals came after %v, want %v", late, failureDelay)
		}
		p.send(auth(1, "right")) // the id is free again
		p.want("OK\t1\tuser=" + alice)
	})
}

func TestFault(t *testing.T) {
	bubble(t, func(t *testing.T, r *relay) {
		p, _ := r.login(t, 3001)
		for _, password := range []string{"fault", "panic"} {
			if at := took(func() {
				p.send(auth(1, password))
				p.want("FAIL\t1\tuser=" + alice + "\tcode=temp_fail")
			}); at != 0 {
				t.Errorf("a fault is told after %v", at)
			}
		}
		if at := took(func() {
			p.send(auth(1, "never"))
			p.want("FAIL\t1\tuser=" + alice + "\tcode=temp_fail")
		}); at != requestTimeout {
			t.Errorf("a login that takes too long is answered after %v, want %v", at, requestTimeout)
		}
	})
}

// TestTryLater: a refusal for now is as late as any other.
func TestTryLater(t *testing.T) {
	bubble(t, func(t *testing.T, r *relay) {
		p, _ := r.login(t, 3001)
		if at := took(func() {
			p.send(auth(1, "later"))
			p.want("FAIL\t1\tuser=" + alice + "\treason=[UNAVAILABLE] Too many. Please try again later.")
		}); at != failureDelay {
			t.Errorf("it is told after %v, want %v", at, failureDelay)
		}
	})
}

// TestFaultOfSASL: other logins of the connection are none the worse for it.
func TestFaultOfSASL(t *testing.T) {
	bubble(t, func(t *testing.T, r *relay) {
		p := r.connect(t, r.ServeSASL)
		p.handshake(1)
		p.send(auth(1, "slow"), auth(2, "fault"), auth(3, "later"))
		p.want("FAIL\t2\tuser=" + alice + "\tcode=temp_fail")
		p.want("FAIL\t3\tuser=" + alice + "\treason=[UNAVAILABLE] Too many. Please try again later.")
		close(r.accounts.slow)
		p.want("OK\t1\tuser=" + alice)
	})
}

func TestNotBase64(t *testing.T) {
	bubble(t, func(t *testing.T, r *relay) {
		p, _ := r.login(t, 3001)
		p.send("AUTH\t1\tPLAIN\tresp==")
		p.want("FAIL\t1\tcode=invalid_base64\treason=Invalid base64 data in the response")
	})
}

func TestContinue(t *testing.T) {
	bubble(t, func(t *testing.T, r *relay) {
		p := r.connect(t, r.ServeSASL)
		p.handshake(1)
		p.send("AUTH\t1\tPLAIN\tservice=smtp\tnologin")
		p.want("CONT\t1\t")
		p.send("CONT\t1\t" + plain(alice, "right"))
		p.want("OK\t1\tuser=" + alice)
		p.send("CONT\t1\t" + plain(alice, "right"))
		p.want("FAIL\t1\treason=Authentication request timed out")

		p.send("AUTH\t2\tPLAIN\tservice=smtp\tnologin")
		p.want("CONT\t2\t")
		time.Sleep(grantAge)
		synctest.Wait()
		p.send("CONT\t2\t" + plain(alice, "right"))
		p.want("FAIL\t2\treason=Authentication request timed out")
	})
}

// TestCancel: what is cancelled has no answer, whatever it waits for, and its id is
// free.
func TestCancel(t *testing.T) {
	bubble(t, func(t *testing.T, r *relay) {
		p, cookie := r.login(t, 3001)
		m := r.master(t, r.ServeMaster)
		p.send(auth(1, "wrong"))
		synctest.Wait()
		p.send("CANCEL\t1")
		time.Sleep(2 * failureDelay)
		p.quiet()

		p.send(auth(1, "slow"))
		synctest.Wait()
		p.send("CANCEL\t1")
		synctest.Wait()
		close(r.accounts.slow)
		p.quiet()

		p.send("AUTH\t1\tPLAIN")
		p.want("CONT\t1\t")
		p.send("CANCEL\t1", "CANCEL\t1")
		p.send(auth(1, "right"))
		p.want("OK\t1\tuser=" + alice)
		p.send("CANCEL\t1")
		synctest.Wait()
		m.send("REQUEST\t9\t3001\t1\t" + cookie)
		m.want("FAIL\t9")
	})
}

func TestGrantEnds(t *testing.T) {
	for _, test := range []struct {
		name string
		end  func(*relay, *peer)
	}{
		{"with time", func(*relay, *peer) { time.Sleep(grantAge) }},
		{"with its connection", func(_ *relay, p *peer) { p.net.Close() }},
	} {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *relay) {
				p, cookie := r.login(t, 3001)
				p.send(auth(1, "right"))
				p.want("OK\t1\tuser=" + alice)
				test.end(r, p)
				synctest.Wait()
				m := r.master(t, r.ServeMaster)
				m.send("REQUEST\t9\t3001\t1\t" + cookie)
				m.want("FAIL\t9")
			})
		})
	}
}

// TestHandOver has a server that ends answer for a login that has its OK, and no longer than needed
// wait for one that imap does not ask for.
func TestHandOver(t *testing.T) {
	bubble(t, func(t *testing.T, r *relay) {
		p, cookie := r.login(t, 3001)
		for _, id := range []int{1, 2} {
			p.send(auth(id, "right"))
			p.want(fmt.Sprintf("OK\t%d\tuser=%s", id, alice))
		}
		m := r.master(t, r.ServeMaster)
		start := time.Now()
		r.stop()
		synctest.Wait()
		m.send("REQUEST\t9\t3001\t1\t" + cookie)
		m.want("USER\t9\t" + alice)
		r.served.Wait()
		if took := time.Since(start); took < handOver || took > 2*handOver {
			t.Errorf("ended after %v", took)
		}
	})
	bubble(t, func(t *testing.T, r *relay) {
		r.login(t, 3001)
		r.master(t, r.ServeMaster)
		start := time.Now()
		r.stop()
		r.served.Wait()
		if took := time.Since(start); took > handOver/10 {
			t.Errorf("without a login, ended after %v", took)
		}
	})
}

func TestGrantIsOfItsConnection(t *testing.T) {
	bubble(t, func(t *testing.T, r *relay) {
		p, cookie := r.login(t, 3001)
		_, other := r.login(t, 3002)
		if cookie == other {
			t.Error("two connections have one cookie")
		}
		p.send(auth(1, "right"), auth(2, "wrong"))
		p.want("OK\t1\tuser=" + alice)
		synctest.Wait()
		m := r.master(t, r.ServeMaster)
		for i, wrong := range []string{
			"3001\t1\t" + other, "3002\t1\t" + other, "3003\t1\t" + cookie, "3001\t2\t" + cookie,
		} {
			m.send(fmt.Sprintf("REQUEST\t%d\t%s", i, wrong))
			m.want(fmt.Sprintf("FAIL\t%d", i))
		}
		m.send("REQUEST\t9\t3001\t1\t" + cookie)
		m.want("USER\t9\t" + alice)
	})
}

// TestSASLGrantsNothing: nobody asks who has logged in there.
func TestSASLGrantsNothing(t *testing.T) {
	bubble(t, func(t *testing.T, r *relay) {
		p := r.connect(t, r.ServeSASL)
		cookie := p.handshake(3001)
		p.send(auth(1, "right"))
		p.want("OK\t1\tuser=" + alice)
		m := r.master(t, r.ServeMaster)
		m.send("REQUEST\t9\t3001\t1\t" + cookie)
		m.want("FAIL\t9")
	})
}

func TestProcessConnectsTwice(t *testing.T) {
	bubble(t, func(t *testing.T, r *relay) {
		first, _ := r.login(t, 3001)
		synctest.Wait() // until it is the process's
		second, _ := r.login(t, 3001)
		second.ended()
		if want := "process 3001 is connected already"; !strings.Contains(r.log.String(), want) {
			t.Errorf("the log is %q, want %q", r.log, want)
		}
		third, cookie := r.login(t, 3001)
		first.net.Close() // before reconnectTime has passed
		third.send(auth(1, "right"))
		third.want("OK\t1\tuser=" + alice)
		m := r.master(t, r.ServeMaster)
		m.send("REQUEST\t9\t3001\t1\t" + cookie)
		m.want("USER\t9\t" + alice)
	})
}

func TestTooManyLogins(t *testing.T) {
	bubble(t, func(t *testing.T, r *relay) {
		p, _ := r.login(t, 3001)
		for id := range maxRequests {
			p.send(auth(id+1, "slow"))
		}
		p.send(auth(maxRequests+1, "right"))
		p.want(fmt.Sprintf("FAIL\t%d\tcode=temp_fail", maxRequests+1))
		close(r.accounts.slow)
		p.sorted(maxRequests)
	})
}

// TestStops answers, at the end, what is being checked.
func TestStops(t *testing.T) {
	bubble(t, func(t *testing.T, r *relay) {
		p, _ := r.login(t, 3001)
		p.send(auth(1, "slow"))
		synctest.Wait()
		r.stop()
		p.quiet()
		close(r.accounts.slow)
		p.want("OK\t1\tuser=" + alice)
		p.ended()
	})
}

func TestClientBreaksProtocol(t *testing.T) {
	for _, lines := range [][]string{
		{"CPID\t1"},
		{"VERSION\t2\t0", "CPID\t1"},
		{"VERSION\t1\t2", auth(1, "right")},
		{"VERSION\t1\t2", "CPID\t0"},
		{"VERSION\t1\t2", "CPID\t1", auth(1, "slow"), auth(1, "right")},
		{"VERSION\t1\t2", "CPID\t1", auth(1, "slow"), "CONT\t1\tAGEAYg=="},
		{"VERSION\t1\t2", "CPID\t1", "AUTH\t1\tLOGIN\tresp=AGEAYg=="},
		{"VERSION\t1\t2", "CPID\t1", "USER\t1\ta@chat.example"},
		{"VERSION\t1\t2", "CPID\t1", "CANCEL"},
		{"VERSION\t1\t2", "CPID\t1", "AUTH\t1\tPLAIN\tresp=" + strings.Repeat("A", 20_000)},
	} {
		t.Run(strings.ReplaceAll(fmt.Sprintf("%.60q", lines), "\\t", " "), func(t *testing.T) {
			bubble(t, func(t *testing.T, r *relay) {
				close(r.accounts.slow)
				p := r.connect(t, r.ServeLogin)
				go func() { // the server may hang up before it has read all
					for _, line := range lines {
						if _, err := p.net.Write([]byte(line + "\n")); err != nil {
							return
						}
					}
				}()
				for range p.lines { // until its end
				}
				synctest.Wait()
				if !strings.Contains(r.log.String(), "connection dropped") {
					t.Errorf("the log is %q", r.log)
				}
			})
		})
	}
}

func TestSilentPeer(t *testing.T) {
	bubble(t, func(t *testing.T, r *relay) {
		if at := took(func() {
			p := r.connect(t, r.ServeLogin)
			for range p.lines { // until its end
			}
		}); at != handshakeTimeout {
			t.Errorf("a peer that says nothing is let go after %v, want %v", at, handshakeTimeout)
		}
	})
}
