package move

import (
	"strings"
	"testing"
	"time"

	"chatmaild/applets/admin/desired"
	"chatmaild/applets/admin/host/hosttest"
	"chatmaild/applets/admin/relocation"
)

// TestMoveLoad: where a move continues that was interrupted, by what was noted and whether mail
// is on.
func TestMoveLoad(t *testing.T) {
	for _, tt := range []struct {
		name   string
		noted  *relocation.Move
		mailOn bool
		want   relocation.Phase
		sameID bool
		fails  string
	}{
		{"never begun", nil, true, relocation.Copying, false, ""},
		{"while it copied", &relocation.Move{ID: "ID", To: "root@new", Phase: relocation.Copying}, true, relocation.Copying, true, ""},
		{"with mail off", &relocation.Move{ID: "ID", To: "root@new", Phase: relocation.Off}, false, relocation.Off, true, ""},
		{"an operator went back", &relocation.Move{ID: "ID", To: "root@new", Phase: relocation.Off}, true, relocation.Copying, true, ""},
		{"while it handed over", &relocation.Move{ID: "ID", To: "root@new", Phase: relocation.Handing}, false, relocation.Handing, true, ""},
		{"done", &relocation.Move{ID: "ID", To: "root@new", Phase: relocation.Done}, false, relocation.Done, true, ""},
		{"to another machine, in time", &relocation.Move{ID: "ID", To: "root@other", Phase: relocation.Off}, false, relocation.Copying, false, ""},
		{"to another machine, too late", &relocation.Move{ID: "ID", To: "root@other", Phase: relocation.Done}, false, "", false, "this relay has moved to root@other"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			machine := hosttest.Relay(t)
			if tt.mailOn {
				machine.Active[desired.Postfix] = time.Now()
			}
			m := move{conf: machine.Conf(), machine: machine.Host, there: "root@new"}
			if tt.noted != nil {
				if err := relocation.MoveIn(m.conf, m.machine).Write(tt.noted); err != nil {
					t.Fatal(err)
				}
			}
			err := m.load(t.Context())
			if tt.fails != "" {
				if err == nil || !strings.Contains(err.Error(), tt.fails) {
					t.Errorf("got %v, want %q", err, tt.fails)
				}
				return
			}
			if err != nil || m.record.Phase != tt.want || (m.record.ID == "ID") != tt.sameID || m.record.ID == "" {
				t.Errorf("got %+v, %v, want %s", m.record, err, tt.want)
			}
			if m.resumed != tt.sameID {
				t.Errorf("resumed: got %v", m.resumed)
			}
		})
	}
}

// TestMoveAdvice: an error of a move says where mail is.
func TestMoveAdvice(t *testing.T) {
	for phase, want := range map[relocation.Phase]string{
		relocation.Copying: "mail is on here as before",
		relocation.Off:     "\"chatmaild run\" here goes back",
		relocation.Handing: "\"chatmaild move root@THIS\" there brings it back",
	} {
		m := move{there: "root@new", record: relocation.Move{Phase: phase}}
		if got := m.advice(); !strings.Contains(got, want) || !strings.Contains(got, "run the same command again") {
			t.Errorf("%s: got %q", phase, got)
		}
	}
}
