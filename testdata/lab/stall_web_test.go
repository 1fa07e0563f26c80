package lab

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"chatmaild/testdata/lab/network"
	"chatmaild/testdata/lab/program"
)

func (s *stall) browser(t *testing.T, from network.Station) *http.Client {
	return (&proof{outside: from}).browser(t)
}

// invites has a machine look at an invite's link and its picture before its recipient
// uses it.
func (s *stall) invites(t *testing.T) {
	ctx := deadline(t, partTimeout)
	out := sh(t, s.b, `
	chatmaild invite create --uses 1 --json
	cp `+configFile+` /root/open.toml
	echo 'registration = "invite"' >>`+configFile+`
	systemctl restart chatmaild-doveauth chatmaild-web`)
	var invite struct{ URL string }
	if err := json.Unmarshal([]byte(out), &invite); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	machine, person := s.browser(t, s.hostile), s.browser(t, s.honest)
	for range 10 {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			for url, want := range map[string]int{invite.URL: 200, strings.Replace(invite.URL, "/new?", "/new.svg?", 1): 403} {
				if resp, _, err := browse(ctx, machine, method, url); err != nil || resp.StatusCode != want {
					t.Fatalf("%s of an invite: %v, %v; want %d", method, resp, err, want)
				}
			}
		}
	}
	resp, page, err := browse(ctx, person, http.MethodPost, invite.URL+"&page")
	if err != nil || resp.StatusCode != 200 || !strings.Contains(page, `href="dclogin:`) || !strings.Contains(page, "<svg") {
		t.Errorf("the person got %v, %v\n%s", resp, err, program.Tail(page, 20))
	}
	if resp, _, err := browse(ctx, person, http.MethodPost, invite.URL); err != nil || resp.StatusCode != 403 {
		t.Errorf("the invite's second use: %v, %v; want 403", resp, err)
	}
	if !s.counted(t, "chatmaild_web_invites_shown_total") {
		t.Error("looks at the invite are not counted")
	}
	sh(t, s.b, `
	cat /root/open.toml >`+configFile+`
	systemctl restart chatmaild-doveauth chatmaild-web`)
}

// profiles has one machine ask for profiles all the time, when it has been told to stop,
// too. Another one gets its own as soon as if it were alone.
func (s *stall) profiles(t *testing.T) {
	url := "https://" + s.b.Domain + "/new"
	machine, person := s.browser(t, s.hostile), s.browser(t, s.honest)
	var refused atomic.Bool
	s.beside(t, "profiles asked for", func(ctx context.Context, t *testing.T) []time.Duration {
		t.Helper()
		var took []time.Duration
		for range honestMessages {
			start := time.Now()
			if resp, got, err := postNew(ctx, person, url); err != nil || resp.StatusCode != 200 || got.Email == "" {
				t.Fatalf("the honest machine got %+v, %v", got, err)
			}
			took = append(took, time.Since(start))
		}
		slices.Sort(took)
		return took
	}, refused.Load, func(ctx context.Context, _ int) {
		resp, got, err := postNew(ctx, machine, url)
		if err == nil && resp.StatusCode == 429 && got.Reason != "" {
			refused.Store(true)
		}
		restFor(ctx, stallPoll)
	})
}
