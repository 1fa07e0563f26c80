package status

import (
	"testing"
	"time"

	"chatmaild/applets/transport/routes"
)

func TestJudgeRoutes(t *testing.T) {
	at := func(hour int) *time.Time {
		when := time.Date(2026, 11, 30, hour, 0, 0, 0, time.UTC)
		return &when
	}
	away := func(n, since int) (list []routes.Route) {
		for range n {
			list = append(list, routes.Route{Resting: at(since)})
		}
		return list
	}
	good := routes.Route{Last: at(10)}
	for _, test := range []struct {
		name  string
		list  []routes.Route
		level level
		words string
	}{
		{"nothing yet", nil, fine, "hosts that accept mail: 0"},
		{"no news of one that was tried once", []routes.Route{{Failed: at(9)}}, fine, "hosts that accept mail: 0"},
		{"all", []routes.Route{good, good}, fine, "hosts that accept mail: 2"},
		{"some are away", append(away(fewHosts+1, 9), good), notice, "hosts that accept mail: 1, that do not answer: 6"},
		{"few are away, and nobody else has had mail", append(away(fewHosts, 11), good), notice, "hosts that accept mail: 1, that do not answer: 5"},
		{"all are away since", append(away(fewHosts+1, 11), good), notice, "6 hosts do not answer, and none has accepted mail since"},
		{"none ever answered", away(fewHosts+1, 1), notice, "6 hosts do not answer, and none has accepted mail since"},
	} {
		l, words, hint := judgeRoutes(test.list)
		if l != test.level || words != test.words || (hint == "") != (l == fine) {
			t.Errorf("%s: got %v, %q, hint %q; want %v, %q", test.name, l, words, hint, test.level, test.words)
		}
	}
}
