package lab

import (
	"strings"
	"testing"

	"chatmaild/testdata/lab/debian"
)

// smtpdServes is the last commit whose Postfix takes mail from users, and how its package is
// called here.
const (
	smtpdServes        = "93aca607"
	smtpdServesVersion = "0.1.99"
)

// TestSubmissionUpgrade has users send while a relay is upgraded on which Postfix served them,
// goes back, and is upgraded again. What a user was told is accepted arrives.
func TestSubmissionUpgrade(t *testing.T) {
	t.Parallel()
	lab, deb := newLab(t)
	former, err := debian.Former(deadline(t, 2*installTimeout), t.Output(), smtpdServes, smtpdServesVersion)
	if err != nil {
		t.Fatal(err)
	}
	upgrade := func(s *submissionProof, t *testing.T) { s.upgrade(t, deb) }
	inTurn(t, startSubmission(t, lab, former, "_submission.test"), []step[*submissionProof]{
		{"upgrade", upgrade},
		{"downgrade", (*submissionProof).downgrade},
		{"upgrade again", upgrade},
	})
}

// holder is the program that listens on port 587.
func (s *submissionProof) holder(t *testing.T) string {
	t.Helper()
	return s.script(t, `ss --no-header --listening --tcp --numeric --processes 'sport = :587' | grep -o 'users:.*' | tr -cd 'a-z\n,-' | head -n 1`)
}

func (s *submissionProof) upgrade(t *testing.T, deb string) {
	u := s.users(t)
	s.goOn(t, u)
	if err := s.relay.InstallDeb(deadline(t, installTimeout), deb); err != nil {
		t.Fatal(err)
	}
	s.goOn(t, u)
	s.arrived(t, u)
	if out := s.script(t, "chatmaild run --skip-dns-check"); !strings.HasPrefix(out, "nothing to do") {
		t.Errorf("run after the upgrade: %s", out)
	}
	if got := s.holder(t); !strings.Contains(got, "filtermail-out") || strings.Contains(got, "master") {
		t.Errorf("port 587 is held by %s", got)
	}
	if out := s.script(t, "systemctl list-units --plain --no-legend --state=failed; systemctl is-active chatmaild-auth-sasl.socket || true"); out != "inactive" {
		t.Errorf("failed units, and the socket of before: %s", out)
	}
}

// downgrade goes back to the version in which Postfix serves users.
func (s *submissionProof) downgrade(t *testing.T) {
	u := s.users(t)
	s.goOn(t, u)
	s.script(t, "apt-get install --yes --quiet --allow-downgrades --no-install-recommends /var/cache/apt/archives/chatmaild_%s_*.deb", smtpdServesVersion)
	s.goOn(t, u)
	s.arrived(t, u)
	if out := s.script(t, "chatmaild run --skip-dns-check"); !strings.HasPrefix(out, "nothing to do") {
		t.Errorf("run after the downgrade: %s", out)
	}
	if got := s.holder(t); !strings.Contains(got, "master") {
		t.Errorf("port 587 is held by %s", got)
	}
}
