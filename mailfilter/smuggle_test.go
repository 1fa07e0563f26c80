package mailfilter_test

import (
	"strings"
	"testing"

	"chatmaild/mailfilter"
	"chatmaild/mailfilter/mailtest"
	"chatmaild/testdata/smuggle"
)

// TestSmuggle holds that nothing readable passes in any spelling, and that it is
// the spelling for which a message is refused. The lab sends the same messages
// through an installed relay.
func TestSmuggle(t *testing.T) {
	armor := mailtest.NewSamples(t).GoodArmor()
	judge := func(dir string, m smuggle.Message) string {
		env := mailfilter.Envelope{Sender: mailtest.Alice, Recipients: []string{mailtest.Bob}}
		if m.Report {
			env.Sender = ""
		}
		got, _ := verdict(policies(t)[dir], env, []byte(m.Text))
		return got
	}
	attempts := smuggle.Messages(mailtest.Alice, mailtest.Bob, armor)
	if len(attempts) < 60 {
		t.Errorf("only %d attempts", len(attempts))
	}
	names := make(map[string]bool)
	for _, m := range attempts {
		want := mailtest.Unencrypted
		if strings.HasPrefix(m.Reply, "554 ") {
			want = mailtest.BadHeader
		}
		for _, dir := range []string{"out", "in"} {
			got := judge(dir, m)
			if dir == "out" && m.Report && got == "from-mismatch" {
				continue // our users have a sender
			}
			if got != want {
				t.Errorf("%s: %s: got %q, want %q", m.Name, dir, got, want)
			}
		}
		if names[m.Name] {
			t.Errorf("two attempts are named %s", m.Name)
		}
		names[m.Name] = true
	}
	for _, m := range smuggle.Honest(mailtest.Alice, mailtest.Bob, armor) {
		if got := judge("in", m); got != mailtest.Pass {
			t.Errorf("%s: got %q, want %q", m.Name, got, mailtest.Pass)
		}
	}
	t.Logf("%d attempts", len(attempts))
}
