package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"

	"chatmaild/applets/admin/host"
	"chatmaild/applets/admin/membership"
	"chatmaild/applets/command"
	"chatmaild/applets/config"
	"chatmaild/store/directory/postgres"
)

// several is machine b of three, as the servers of a, b and c say how they are: "w 5" is a
// writer and "c 5" a copy at position 5, "w 5 1 backup 7" one that another copies, with a slot
// that keeps 7 bytes, and "" is silent.
func several(t *testing.T, servers ...string) *cluster {
	t.Helper()
	conf, err := config.Parse("test.toml", `mail_domain = "chat.example"
mailboxes_dir = "`+t.TempDir()+`"
[cluster]
name = "b"
members = ["a 10.7.0.1", "b 10.7.0.2", "c 10.7.0.3"]
`)
	if err != nil {
		t.Fatal(err)
	}
	states := map[string]string{"a": servers[0], "b": servers[1], "c": servers[2]}
	return &cluster{conf: conf, machine: host.Host{Tree: host.Tree{Root: t.TempDir()}}, ask: func(_ context.Context, m config.Member) (postgres.State, error) {
		text := states[m.Name]
		if text == "" {
			return postgres.State{}, errors.New("no answer")
		}
		s := postgres.State{Writer: text[0] == 'w', Version: "15", Followers: 2}
		var slot postgres.Slot
		_, _ = fmt.Sscan(text[1:], &s.Position, &s.Followers, &slot.Name, &slot.Kept)
		s.Slots = []postgres.Slot{slot}
		return s, nil
	}}
}

func TestAdvice(t *testing.T) {
	for _, test := range []struct {
		servers []string
		advice  []string // a part of each
	}{
		{[]string{"w 5", "c 5", "c 4"}, nil},
		{[]string{"w 5", "c 5", ""}, []string{"machine c does not answer"}},
		{[]string{"", "c 5", "c 4"}, []string{"machine a does not answer", "run: chatmaild cluster promote"}},
		{[]string{"", "c 5", ""}, []string{"machine a does not answer", "machine c does not answer", "if a and c are gone for good, run: chatmaild cluster lost a c"}},
		{[]string{"", "w 5 0", ""}, []string{"machine a does not answer", "machine c does not answer", "too few machines copy the writer: new accounts wait until more are back; if a and c are gone for good, run: chatmaild cluster lost a c"}},
		{[]string{"w 5", "", "c 5"}, []string{"run here: chatmaild cluster rejoin"}},
		{[]string{"w 5", "w 5", "c 5"}, []string{"two machines"}},
		{[]string{"w 5 1", "c 5", "c 4"}, []string{"2 machines have a copy of the directory, and 1 follow the writer"}},
		{[]string{"w 5 1", "c 5", ""}, []string{"machine c does not answer"}},
		{[]string{"w 600000000", "c 1", "c 600000000"}, []string{"machine b lacks 572.2 MiB"}},
		{[]string{"w 5 2 backup 536870912", "c 5", "c 5"}, nil},
		{[]string{"w 5 2 backup 600000000", "c 5", "c 5"}, []string{"replication slot backup on machine a keeps 572.2 MiB"}},
	} {
		got := several(t, test.servers...).state(t.Context()).Advice
		if len(got) != len(test.advice) {
			t.Errorf("%q: got %q", test.servers, got)
			continue
		}
		for i, part := range test.advice {
			if !strings.Contains(got[i], part) {
				t.Errorf("%q: got %q, want %q in it", test.servers, got[i], part)
			}
		}
	}
}

// TestAdviceJoining: a join that was interrupted is resumed or given up. One machine that joins
// alone has nobody wait.
func TestAdviceJoining(t *testing.T) {
	for _, servers := range [][]string{{"w 5", "c 5", ""}, {"w 5", "c 5", "c 5"}} {
		c := several(t, servers...)
		c.conf.Cluster.Members[2] += " joining"
		s := c.state(t.Context())
		if len(s.Advice) != 1 || !strings.Contains(s.Advice[0], "machine c joins") || !strings.Contains(s.Advice[0], "chatmaild cluster remove c") {
			t.Errorf("%q: got %q", servers, s.Advice)
		}
	}
}

// TestAgain: init begins again only on a machine that was restored, under its name, and with an address that it has.
func TestAgain(t *testing.T) {
	for _, test := range []struct {
		founder
		want string
	}{
		{founder{}, "chatmaild cluster init --load FILE"},
		{founder{again: true, name: "z"}, "this is machine b"},
		{founder{again: true}, "does not have the address 10.7.0.2"},
	} {
		c := several(t, "", "", "")
		test.Here = &membership.Here{Env: &command.Env{ConfigPath: config.DefaultPath}, Conf: c.conf}
		err := test.former(t.Context())
		if hint, ok := errors.AsType[*command.HintError](err); ok {
			err = errors.New(err.Error() + hint.Hint)
		}
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: got %v, want %q", test.founder, err, test.want)
		}
	}
}

func TestLag(t *testing.T) {
	for i, want := range []int64{0, 2, -1} {
		if got := several(t, "w 5", "c 3", "").state(t.Context()).Machines[i].Lag; got != want {
			t.Errorf("machine %d lags by %d, want %d", i, got, want)
		}
	}
}

// TestPromote: nobody becomes the writer who may lack what was answered, or beside another.
func TestPromote(t *testing.T) {
	for _, test := range []struct {
		servers []string
		want    string
	}{
		{[]string{"w 5", "c 5", "c 5"}, "machine a is the writer"},
		{[]string{"", "w 5", "c 5"}, "this machine is the writer already"},
		{[]string{"", "c 5", ""}, "1 of 3 machines answer: want 2"},
		{[]string{"", "c 4", "c 5"}, "machine c has 1 bytes"},
		{[]string{"c 5", "", "c 5"}, "does not answer"},
	} {
		if err := several(t, test.servers...).promote(t.Context()); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: got %v, want %q in it", test.servers, err, test.want)
		}
	}
}

// TestSource: no machine gives what it has for a copy of a writer that was replaced.
func TestSource(t *testing.T) {
	for _, test := range []struct {
		servers []string
		want    string // the writer, or a part of why there is none
	}{
		{[]string{"w 5", "c 5", "c 5"}, "a"},
		{[]string{"w 5", "", "c 5"}, "a"},
		{[]string{"w 5", "w 9", "c 5"}, "a"},
		{[]string{"c 5", "w 5", "w 5"}, "c"},
		{[]string{"c 5", "c 5", ""}, "no other machine is the writer"},
		{[]string{"w 5 0", "c 5", "w 6 1"}, "machines a and c take themselves for the writer"},
		{[]string{"w 5 0", "", "c 5"}, "one of the two was replaced"},
		{[]string{"w 5 0", "w 9", "c 5"}, "one of the two was replaced"},
		{[]string{"w 5 0", "", ""}, "a"},
		{[]string{"w 4 0", "c 5", ""}, "lacks what this machine's copy"},
	} {
		from, err := returning{several(t, test.servers...)}.source(t.Context())
		if got := cmp.Or(failure(err), from.Name); !strings.Contains(got, test.want) || (err == nil) != (len(test.want) == 1) {
			t.Errorf("%q: got %q, want %q", test.servers, got, test.want)
		}
	}
}

// TestCheck: data of a former writer stay unused once another machine is the writer.
func TestCheck(t *testing.T) {
	for _, test := range []struct {
		servers []string
		starts  bool
	}{
		{[]string{"", "", ""}, true},
		{[]string{"c 5", "", "c 5"}, true},
		{[]string{"w 5", "", ""}, false},
	} {
		if err := several(t, test.servers...).check(t.Context()); (err == nil) != test.starts {
			t.Errorf("%q: got %v", test.servers, err)
		}
	}
}

func TestPassword(t *testing.T) {
	for _, f := range passwordFiles("secret") {
		if !f.Secret || f.Mode&0o007 != 0 {
			t.Errorf("%s can be read by all, or is shown", f.Path)
		}
	}
}

// TestAnswers: a machine is there if one of its ports is open, that of the directory too.
func TestAnswers(t *testing.T) {
	m := config.Member{Name: "c", Addr: netip.MustParseAddr("127.77.1.2")} // a loopback address that no other test uses
	for _, port := range []uint16{config.MemberPorterPort, config.MemberDirectoryPort} {
		l, err := net.Listen("tcp", netip.AddrPortFrom(m.Addr, port).String())
		if err != nil {
			t.Fatal(err)
		}
		if got := answers(t.Context(), m); got != int(port) {
			t.Errorf("a machine that answers on port %d answers on %d", port, got)
		}
		l.Close()
	}
}
