package status

import (
	"context"
	"errors"
	"testing"

	"chatmaild/applets/admin/host/hosttest"
)

func TestNewVersion(t *testing.T) {
	for _, tt := range []struct {
		out    string
		err    error
		level  level // "": nothing is said
		detail string
	}{
		{"  Installed: 0.2.0\n  Candidate: 0.2.0\n", nil, fine, "0.2.0; apt knows no newer one"},
		{"  Installed: 0.2.0\n  Candidate: 0.3.0\n", nil, notice, "0.3.0 is in the archive; this is 0.2.0"},
		{"  Installed: (none)\n  Candidate: 0.3.0\n", nil, "", ""},
		{"", errors.New("E: lists are locked"), notice, "looking for a new version: E: lists are locked"},
	} {
		m := hosttest.New(t)
		m.Command = func(context.Context, string, ...string) (string, error) { return tt.out, tt.err }
		e := examiner{machine: m.Host}
		newVersion(t.Context(), &e)
		switch {
		case tt.level == "" && len(e.findings) > 0:
			t.Errorf("%q: got %+v, want nothing", tt.out, e.findings)
		case tt.level == "":
		case len(e.findings) != 1 || e.findings[0].Level != tt.level || e.findings[0].Detail != tt.detail || (e.findings[0].Hint == "") != (tt.level == fine):
			t.Errorf("%q: got %+v, want %s %q", tt.out, e.findings, tt.level, tt.detail)
		}
	}
}
