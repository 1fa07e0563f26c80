package logs

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chatmaild/applets/command"
)

func TestShow(t *testing.T) {
	for _, test := range []struct {
		plain time.Duration
		args  []string
		want  string
	}{
		{0, nil, "missing --plain DURATION, or an ADDRESS"},
		{time.Hour, []string{"alice@relay.test"}, "--plain shows all lines: it takes no ADDRESS"},
		{25 * time.Hour, nil, "--plain 25h0m0s: want a duration from 1s to 24h0m0s"},
		{-time.Hour, nil, "--plain -1h0m0s: want a duration from 1s to 24h0m0s"},
		{time.Hour, nil, "asking the maillog daemon: "},
		{0, []string{"alice@relay.test"}, "asking the maillog daemon: "},
	} {
		var out, report strings.Builder
		env := &command.Env{Stdout: &out, Stderr: &report}
		err := show(t.Context(), env, filepath.Join(t.TempDir(), "none"), test.plain, test.args)
		if err == nil || !strings.HasPrefix(err.Error(), test.want) || out.Len() > 0 {
			t.Errorf("%v %q: got %v and %q, want %s", test.plain, test.args, err, out.String(), test.want)
		}
	}
}
