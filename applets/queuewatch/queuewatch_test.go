package queuewatch

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"chatmaild/applets/queuewatch/retry"
	"chatmaild/packaging/postfix/queue"
)

// TestRound has a queue change from look to look, and holds what Postfix is asked to try
// and whether the job continues.
func TestRound(t *testing.T) {
	local := func(state, id string) queue.Waiting {
		return queue.Waiting{Queue: state, ID: id, Domain: "x.test", Reason: "no"}
	}
	unnamed := queue.Waiting{Queue: "deferred", ID: "n", Domain: "other.test", Reason: "Name service error"}
	for _, test := range []struct {
		name   string
		looks  [][]queue.Waiting // nil: Postfix does not answer
		names  bool              // name servers answer
		tried  string
		needed bool
		log    string
	}{
		{"the queue is empty", [][]queue.Waiting{{}}, true, "", false, ""},
		{"one is tried, then the rest", [][]queue.Waiting{
			{local("deferred", "a"), local("deferred", "b"), local("deferred", "c")},
			{local("deferred", "b"), local("deferred", "c")},
		}, true, "a b c", true, "messages=2"},
		{"what is tried is not deferred", [][]queue.Waiting{{local("deferred", "a")}, {local("active", "a")}}, true, "a", false, ""},
		{"name servers are back", [][]queue.Waiting{{unnamed}}, true, "n", true, ""},
		{"name servers are not back", [][]queue.Waiting{{unnamed}}, false, "", true, ""},
		{"Postfix is off", [][]queue.Waiting{nil, nil}, true, "", true, "cannot look"},
	} {
		var tried []string
		var log bytes.Buffer
		at := 0
		w := &watch{
			retry: retry.New("x.test", func(int) int { return 0 }), log: slog.New(slog.NewTextHandler(&log, nil)),
			look: func(_ context.Context, see func(queue.Waiting)) (map[string]queue.Count, error) {
				list := test.looks[at]
				if list == nil {
					return nil, errors.New("refused")
				}
				counts := map[string]queue.Count{}
				for _, waits := range list {
					see(waits)
					counts[waits.Queue] = queue.Count{Messages: counts[waits.Queue].Messages + 1}
				}
				return counts, nil
			},
			try:      func(_ context.Context, id string) error { tried = append(tried, id); return nil },
			resolves: func(context.Context, string) bool { return test.names },
		}
		needed := false
		for at = range test.looks {
			needed = w.round(t.Context())
		}
		if got := strings.Join(slices.Compact(tried), " "); got != test.tried || needed != test.needed {
			t.Errorf("%s: tried %q, needed %v; want %q, %v", test.name, got, needed, test.tried, test.needed)
		}
		if n := strings.Count(log.String(), "level="); !strings.Contains(log.String(), test.log) || n > 1 {
			t.Errorf("%s: the log has %d lines:\n%s", test.name, n, log.String())
		}
	}
}
