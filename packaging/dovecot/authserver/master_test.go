package authserver

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
)

func TestLookup(t *testing.T) {
	bubble(t, func(t *testing.T, r *relay) {
		p := r.master(t, r.ServeUserdb)
		for _, test := range []struct{ ask, want string }{
			{"USER\t1\tA@chat.example\tservice=lmtp", "USER\t1\t" + alice},
			{"USER\t2\tb@chat.example\tprotocol=lmtp", "NOTFOUND\t2"},
			{"USER\t3\tfault\tservice=lmtp", "FAIL\t3"},
			{"PASS\t4\ta@chat.example\tservice=doveadm", "PASS\t4\tuser=" + alice},
			{"PASS\t5\tb@chat.example\tservice=doveadm", "NOTFOUND\t5"},
			{"PASS\t6\tfault\tservice=doveadm", "FAIL\t6"},
		} {
			p.send(test.ask)
			p.want(test.want)
		}
	})
}

func TestList(t *testing.T) {
	bubble(t, func(t *testing.T, r *relay) {
		p := r.master(t, r.ServeUserdb)
		p.send("LIST\t1\tservice=doveadm")
		p.want("DONE\t1\t")
		const many = 1000
		for i := range many {
			r.accounts.names = append(r.accounts.names, fmt.Sprintf("user%d@chat.example", i))
		}
		p.send("LIST\t2\tuser=*")
		for _, name := range r.accounts.names {
			p.want("LIST\t2\t" + name)
		}
		p.want("DONE\t2\t")
		r.accounts.names = []string{alice, "fault"}
		p.send("LIST\t3")
		p.want("LIST\t3\t"+alice, "DONE\t3\tfail")
	})
}

func TestMasterBreaksProtocol(t *testing.T) {
	cookie := strings.Repeat("0", 32)
	for _, lines := range []string{
		"USER\t1\ta@chat.example\n",
		"VERSION\t1\t2\nREQUEST\t1\t2\t3\t" + cookie + "\n", // on a socket for look-ups
		"VERSION\t1\t2\nCPID\t1\n",
		"VERSION\t1\t2\nUSER\t1\n",
	} {
		bubble(t, func(t *testing.T, r *relay) {
			p := r.connect(t, r.ServeUserdb)
			go p.net.Write([]byte(lines))
			p.want("VERSION\t1\t2", "SPID\t17")
			p.ended()
			synctest.Wait()
			if !strings.Contains(r.log.String(), "auth-userdb connection dropped") {
				t.Errorf("%q: the log is %q", lines, r.log)
			}
		})
	}
}
