package clock

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"chatmaild/applets/admin/host"
)

// TestClockSet holds that the servers reload after the clock was set back, if
// they run, and left alone otherwise.
func TestClockSet(t *testing.T) {
	const (
		dovecot = "systemctl try-reload-or-restart dovecot.service"
		postfix = "systemctl try-reload-or-restart postfix@-.service"
		flush   = "/usr/sbin/postqueue -f"
		timer   = "systemctl try-restart chatmaild-expire.timer"
	)
	for _, tt := range []struct {
		ahead time.Duration // since the last run
		mail  string        // what Postfix is
		want  []string
	}{
		{0, "active", nil},
		{72 * time.Hour, "active", nil},
		{-4 * time.Second, "active", nil},
		{-time.Hour, "active", []string{dovecot, flush, postfix, flush, timer}},
		{-time.Hour, "inactive", []string{dovecot, timer}},
	} {
		now, err := host.Now()
		if err != nil {
			t.Fatal(err)
		}
		var did []string
		machine := host.Host{Tree: host.Tree{Root: t.TempDir()}, Command: func(_ context.Context, name string, args ...string) (string, error) {
			switch line := name + " " + strings.Join(args, " "); {
			case strings.Contains(line, "InactiveEnterTimestamp"):
				return fmt.Sprintf("InactiveEnterTimestamp=%s\nInactiveEnterTimestampMonotonic=%d\n",
					now.Wall.Add(-tt.ahead).UTC().Format("Mon 2006-01-02 15:04:05.000000 MST"), now.Monotonic.Microseconds()), nil
			case strings.Contains(line, "show"):
				return "Id=postfix@-.service\nActiveState=" + tt.mail + "\n", nil
			default:
				did = append(did, line)
				return "", nil
			}
		}}
		if err := restart(t.Context(), machine, slog.New(slog.DiscardHandler)); err != nil || !slices.Equal(did, tt.want) {
			t.Errorf("set by %v, Postfix is %s: did %q, %v; want %q", tt.ahead, tt.mail, did, err, tt.want)
		}
	}
}
