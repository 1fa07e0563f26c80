package converge

import (
	"path/filepath"
	"strings"
	"testing"

	"chatmaild/applets/admin/desired"
	"chatmaild/applets/admin/host/hosttest"
	"chatmaild/applets/admin/relocation"
)

// TestBootOfWhatIsOff: supervise starts nothing of a relay that is here in part only, has
// moved away or was stopped until the next run, and stays up; run itself refuses the first two.
func TestBootOfWhatIsOff(t *testing.T) {
	for _, tt := range []struct {
		name    string
		record  any
		move    bool
		off     bool
		saying  string
		refused bool
	}{
		{name: "restore", record: relocation.Restore{ID: "1"}, saying: "a restore is not finished", refused: true},
		{name: "moved", record: relocation.Move{ID: "1", To: "root@new", Phase: relocation.Done}, move: true, saying: "this relay has moved to root@new", refused: true},
		{name: "off", off: true, saying: "the relay is off until: chatmaild run"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := hosttest.Relay(t)
			m.Enabled[desired.Target] = !tt.off
			if tt.record != nil {
				r := relocation.RestoreIn(m.Conf(), m.Host)
				if tt.move {
					r = relocation.MoveIn(m.Conf(), m.Host)
				}
				if err := r.Write(tt.record); err != nil {
					t.Fatal(err)
				}
			}
			env, _, said := m.Env()
			env.ConfigPath = filepath.Join(m.Root, env.ConfigPath)
			before := len(m.Everything())
			if err := run(t.Context(), env, m.Host, options{boot: true}); err != nil {
				t.Error(err)
			}
			if !strings.Contains(said.String(), tt.saying) {
				t.Errorf("it says %s, want %q", said, tt.saying)
			}
			if after := len(m.Everything()); after != before || len(m.Did) > 0 {
				t.Errorf("it did %q, and there are %d files, of %d", m.Did, after, before)
			}
			if !tt.refused {
				return
			}
			if err := run(t.Context(), env, m.Host, options{}); err == nil || !strings.Contains(err.Error(), tt.saying) {
				t.Errorf("run: %v", err)
			}
		})
	}
}
