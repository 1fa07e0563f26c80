package echobot

import (
	"fmt"
	"testing"
	"time"
)

// TestAnswers has a hostile user of our own and a hostile relay ask for as many answers as
// they can, from a new address each time, for ten minutes, while an honest user asks for
// one every ten seconds: that one gets all of them.
func TestAnswers(t *testing.T) {
	now := time.Duration(0)
	a, err := newAnswers("relay.test", func() time.Duration { return now })
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int{}
	ask := func(who, addr string) {
		if a.Allow(addr) {
			got[who]++
		}
	}
	const minutes = 10
	for i := range minutes * 600 {
		now += 100 * time.Millisecond
		ask("user", fmt.Sprintf("mallory+%d@relay.test", i))
		ask("relay", fmt.Sprintf("m%d@evil.test", i))
		if i%100 == 0 {
			ask("honest", "alice@relay.test")
			ask("honest", "bob@example.org")
		}
	}
	if got["honest"] != minutes*12 {
		t.Errorf("the honest ones got %d answers, want %d", got["honest"], minutes*12)
	}
	if most := minutes*answersPerMinute + answersBurst; got["user"] > most {
		t.Errorf("one user got %d answers, want %d at most", got["user"], most)
	}
	if most := minutes*relayAnswersPerMinute + relayAnswersBurst; got["relay"] > most {
		t.Errorf("one relay got %d answers, want %d at most", got["relay"], most)
	}
}
