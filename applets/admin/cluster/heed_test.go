package cluster

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"chatmaild/applets/admin/desired"
	"chatmaild/applets/command"
	"chatmaild/applets/config"
	"chatmaild/store/directory"
)

// TestHeed: what any machine says of b counts, but for one that b's own copy of the directory, or another
// one, has as lost by the word of a majority. A server that is stuck keeps none of the others from being heard.
func TestHeed(t *testing.T) {
	here, away := []string{"username", "bob@chat.example", "alice@chat.example"}, []string{"username", "bob@chat.example"}
	for _, tt := range []struct {
		b, a, c string // the machines that are lost by the word of each; "-" does not answer, "~" only when it is too late
		alone   bool   // b has gone on without a and c
		want    bool
		open    []string // who has a session
	}{
		{"", "", "", false, false, here},
		{"b", "", "", false, true, here},
		{"", "b", "", false, true, here},
		{"", "b", "", false, true, away},
		{"", "b", "", false, true, nil},
		{"", "-", "b", false, true, here},
		{"-", "-", "b", false, true, here},
		{"~", "-", "b", false, true, here},
		{"", "~", "b", false, true, here},
		{"-", "-", "-", false, false, here},
		{"a", "b", "a", false, false, here},
		{"a", "b", "b", false, true, here},
		{"-", "b", "a", false, false, here},
		{"~", "bc", "a", false, false, here},
		{"", "bc", "ab", false, true, here},
		{"ac", "b", "-", true, true, here},
		{"ac", "", "", true, false, here},
		{"", "a", "a", false, false, here},
	} {
		synctest.Test(t, func(t *testing.T) {
			f, m := following(t)
			f.env = &command.Env{Stderr: &strings.Builder{}}
			f.conf.MailboxesDir = t.TempDir()
			f.conf.Cluster.Members = []string{"a 10.7.0.1", "b 10.7.0.2", "c 10.7.0.3"}
			if tt.alone {
				f.conf.Cluster.Members = []string{"a 10.7.0.1 lost", "b 10.7.0.2", "c 10.7.0.3 lost"}
			}
			f.machines = func(ctx context.Context, m config.Member) (all []directory.Machine, err error) {
				says := map[string]string{"a": tt.a, "b": tt.b, "c": tt.c}[m.Name]
				if says == "~" {
					<-ctx.Done()
				}
				if says == "-" || ctx.Err() != nil {
					return nil, errors.New("no answer")
				}
				for _, name := range []string{"a", "b", "c"} {
					standing := directory.Open
					if strings.Contains(says, name) {
						standing = directory.Lost
					}
					all = append(all, directory.Machine{Name: name, Standing: standing})
				}
				return all, nil
			}
			m.Active[desired.Dovecot] = time.Now()
			if err := os.Mkdir(filepath.Join(f.conf.MailboxesDir, "alice@chat.example"), 0o700); err != nil {
				t.Fatal(err)
			}
			f.sessions = func(context.Context) ([]string, error) { return tt.open, nil }
			for range 3 {
				if err := f.heed(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if got := givenUp(f.conf); got != tt.want {
				t.Errorf("%+v: given up: %t", tt, got)
			}
			if restarts := strings.Count(strings.Join(m.Did, "\n"), "restart "+desired.Dovecot); restarts > 1 || (restarts == 1) != (tt.want && len(tt.open) == len(here)) {
				t.Errorf("%+v: Dovecot was restarted %d times", tt, restarts)
			}
		})
	}
}
