package lab

import (
	"strings"
	"testing"
	"time"

	"chatmaild/testdata/lab/program"
)

// TestCrowd sends to a group of 60, each of whom fetches and deletes the
// message at once, while others' copies are still being delivered. Every copy
// arrives, and Postfix has to try none of them twice.
func TestCrowd(t *testing.T) {
	t.Parallel()
	const size = 60
	l, r := startRelay(t, "_crowd.test")
	owner := startProfile(t, l, "owner", r.SignUpQR())
	ctx := deadline(t, 5*time.Minute)
	crowd, err := r.StartCrowd(ctx, owner, size)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"hello everybody", "hello again"} {
		samples, err := crowd.Say(ctx, text)
		if err != nil {
			t.Fatal(err)
		}
		if len(samples) != size {
			t.Errorf("%q reached %d of %d", text, len(samples), size)
		}
		if err := WriteSamples(t.Output(), samples); err != nil {
			t.Fatal(err)
		}
	}
	if queue, err := r.Run(ctx, "postqueue", "-j"); err != nil || queue != "" {
		t.Errorf("in the queue: %s, %v", queue, err)
	}
	journal, err := r.Journal(ctx, "--output=cat", "--identifier=postfix/lmtp")
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(journal, "status=deferred"); n != 0 {
		t.Errorf("Postfix deferred %d copies:\n%s", n, program.Tail(journal, 20))
	}
}
