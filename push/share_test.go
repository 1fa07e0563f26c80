package push_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"chatmaild/push"
)

// only answers for hostile tokens, and lets the others be delivered.
func only(r push.Result, takes time.Duration) func(string) push.Result {
	return func(token string) push.Result {
		if !strings.HasPrefix(token, "hostile") {
			return push.Result{}
		}
		time.Sleep(takes)
		return r
	}
}

// devices registers so many new tokens for one account.
func (w *world) devices(account, prefix string, many int) {
	w.t.Helper()
	for i := range many {
		if err := w.service.Set("priv/0/devicetoken", account, fmt.Sprintf("%s%d", prefix, i)); err != nil {
			w.t.Fatal(err)
		}
	}
}

func (w *world) deliverTo(account string) {
	w.t.Helper()
	if err := w.service.Set("priv/0/messagenew", account, ""); err != nil {
		w.t.Error(err)
	}
}

// p95 delivers messages to the honest account, one after the other, with the hostile ones
// doing their part before each. It returns how long most of them took until they were
// told about, in the fake time of the test.
func (w *world) p95(hostile func(round int)) time.Duration {
	w.t.Helper()
	const rounds = 20
	var took []time.Duration
	for round := range rounds {
		hostile(round)
		w.mu.Lock()
		before := len(w.posts)
		w.mu.Unlock()
		start := time.Since(w.started)
		w.message("honest")
		w.sleep(time.Second)
		w.mu.Lock()
		i := slices.IndexFunc(w.posts[before:], func(p post) bool { return p.token == "honest" })
		if i < 0 {
			w.t.Fatalf("round %d: nothing was sent within a second", round)
		}
		took = append(took, w.posts[before+i].at+w.takes-start)
		w.mu.Unlock()
	}
	slices.Sort(took)
	return took[rounds*95/100]
}

// besideAlone fails if the honest account waits twice as long as alone.
func (w *world) besideAlone(alone, beside time.Duration) {
	w.t.Helper()
	w.t.Logf("p95 alone %v, beside hostile accounts %v: %.2f times", alone, beside, float64(beside)/float64(alone))
	if beside > 2*alone {
		w.t.Error("the honest account waits")
	}
}

// TestOneAccountFails has one account give new tokens that fail, over and over, while
// another one gets mail: it is announced as soon as if it were alone.
func TestOneAccountFails(t *testing.T) {
	inWorld(t, []string{"s"}, func(w *world) {
		w.answer("s", only(sick, 0))
		w.account("honest")
		alone := w.p95(func(int) {})
		w.besideAlone(alone, w.p95(func(round int) {
			w.devices("hostile@x", fmt.Sprintf("hostile%d-", round), push.MaxTokens)
			w.deliverTo("hostile@x")
		}))
		if w.told() != 0 {
			t.Errorf("events: %q", w.events)
		}
	})
}

// TestTokensThatHang has accounts' tokens hang for as long as a POST may take. Of each,
// AccountInFlight are in progress at most, and the honest one's is announced at once.
func TestTokensThatHang(t *testing.T) {
	const accounts = inFlight/push.AccountInFlight - 1
	inWorld(t, []string{"s"}, func(w *world) {
		w.answer("s", only(sick, time.Minute))
		w.account("honest")
		alone := w.p95(func(int) {})
		w.besideAlone(alone, w.p95(func(round int) {
			if round >= accounts {
				return
			}
			account := fmt.Sprintf("hostile%d@x", round)
			w.devices(account, fmt.Sprintf("hostile%d-", round), push.MaxTokens)
			w.deliverTo(account)
		}))
		report, err := w.notifier.Report()
		if want := accounts * push.AccountInFlight; err != nil || report.InFlight > want || report.PutOff == 0 {
			t.Errorf("%d under way, want %d at most; %d were put off; %v", report.InFlight, want, report.PutOff, err)
		}
	})
}

// TestProbeIsProven lets a service be away for a while, and most of what waits then is
// hostile. The first question after that is about a token that has worked.
func TestProbeIsProven(t *testing.T) {
	inWorld(t, []string{"s"}, func(w *world) {
		w.account("honest")
		w.message("honest")
		w.sleep(time.Second)
		w.answer("s", always(refused))
		for i := range 5 {
			account := fmt.Sprintf("hostile%d@x", i)
			w.devices(account, fmt.Sprintf("hostile%d-", i), push.MaxTokens)
			w.deliverTo(account)
		}
		w.sleep(10 * time.Minute)
		w.answer("s", only(sick, 0))
		w.mu.Lock()
		before := len(w.posts)
		w.mu.Unlock()
		w.message("honest")
		w.devices("hostile@x", "hostile-", push.MaxTokens)
		w.deliverTo("hostile@x") // it is the last one, but has never worked
		w.sleep(31 * time.Second)
		w.mu.Lock()
		defer w.mu.Unlock()
		if len(w.posts) == before || w.posts[before].token != "honest" {
			t.Errorf("asked about %v", w.posts[before:min(before+3, len(w.posts))])
		}
		if len(w.events) != 2 || !slices.ContainsFunc(w.events, func(e string) bool { return strings.HasPrefix(e, "alive") }) {
			t.Errorf("events: %q", w.events)
		}
	})
}
