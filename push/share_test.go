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

// TestOneAccountFails has one account give new tokens that fail, over and over, while
// another one gets mail: that is told of as soon as if it were alone.
func TestOneAccountFails(t *testing.T) {
	inWorld(t, []string{"s"}, func(w *world) {
		w.answer("s", only(sick, 0))
		w.account("honest")
		for round := range 10 {
			w.devices("hostile@x", fmt.Sprintf("hostile%d-", round), push.MaxTokens)
			w.deliverTo("hostile@x")
			w.message("honest")
			w.sleep(time.Second)
			if got := len(w.sent("honest")); got != round+1 {
				t.Fatalf("round %d: %d notifications", round, got)
			}
		}
		if w.told() != 0 {
			t.Errorf("events: %q", w.events)
		}
	})
}

// TestTokensThatHang has accounts' tokens hang for as long as a POST may take. Of each,
// AccountInFlight are under way at most, and the honest one's is told of at once.
func TestTokensThatHang(t *testing.T) {
	const accounts = inFlight/push.AccountInFlight - 1
	inWorld(t, []string{"s"}, func(w *world) {
		w.answer("s", only(sick, time.Minute))
		w.account("honest")
		for i := range accounts {
			w.devices(fmt.Sprintf("hostile%d@x", i), fmt.Sprintf("hostile%d-", i), push.MaxTokens)
			w.deliverTo(fmt.Sprintf("hostile%d@x", i))
		}
		w.sleep(time.Second)
		for range 10 {
			before := time.Now()
			w.message("honest")
			w.sleep(10 * time.Millisecond)
			if w.sent("honest"); len(w.posts) == 0 || w.posts[len(w.posts)-1].token != "honest" ||
				w.posts[len(w.posts)-1].at > before.Sub(w.started)+5*time.Millisecond {
				t.Fatal("the honest account waits")
			}
			w.sleep(time.Second)
		}
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
