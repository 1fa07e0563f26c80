package cluster

import (
	"errors"
	"strings"
	"testing"

	"chatmaild/applets/command"
	"chatmaild/applets/config"
)

// failure is all that an error says, with its hint.
func failure(err error) string {
	if hint, ok := errors.AsType[*command.HintError](err); ok {
		return err.Error() + " " + hint.Hint
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

// TestFurthest: of those that are left, the one that is the writer, or else has all that any of them
// has, is the writer from then on.
func TestFurthest(t *testing.T) {
	for _, tt := range []struct {
		servers []string // of a, b (which is here) and c: see several
		want    string   // "": it may
	}{
		{[]string{"c 5", "c 5", "c 4"}, ""},
		{[]string{"c 9", "w 5 0", "c 4"}, ""},
		{[]string{"w 5 0", "c 5", "c 5"}, "machine a is the writer"},
		{[]string{"w 5 0", "w 5 0", "c 5"}, "machine a is the writer"},
		{[]string{"c 6", "c 5", "c 5"}, "machine a has 1 bytes"},
		{[]string{"", "c 5", "c 5"}, "chatmaild cluster lost x y a"},
		{[]string{"c 5", "", "c 5"}, "this machine's copy of the directory does not answer"},
	} {
		c := fleet{several(t, tt.servers...)}
		here, err := c.furthest(t.Context(), config.Members(c.conf), []string{"x", "y"})
		if got := failure(err); !strings.Contains(got, tt.want) || (got == "") != (tt.want == "") {
			t.Errorf("%q: got %q, want %q", tt.servers, got, tt.want)
		}
		if err == nil && here.Position != 5 {
			t.Errorf("%q: got %+v", tt.servers, here)
		}
	}
}

// TestParted: those that are left when some are given up, of those that confirm changes.
func TestParted(t *testing.T) {
	for _, tt := range []struct {
		members     string // words after those of a, b and c
		names       []string
		left, gone  string
		noMajority  bool
		mayBeLacked bool
	}{
		{",,", []string{"a"}, "b c", "a", false, false},
		{",,", []string{"a", "c"}, "b", "a c", true, true},
		{"joining,,", []string{"c"}, "b", "c", true, false},
		{"lost,,", []string{"c"}, "b", "c", true, false},
		{"lost,,lost", []string{"c"}, "b", "", false, false},
	} {
		c := fleet{several(t, "", "c 5", "")}
		for i, word := range strings.Split(tt.members, ",") {
			c.conf.Cluster.Members[i] = strings.TrimSpace(c.conf.Cluster.Members[i] + " " + word)
		}
		left, gone := c.parted(t.Context(), tt.names)
		names := func(all []config.Member) string {
			var names []string
			for _, m := range all {
				names = append(names, m.Name)
			}
			return strings.Join(names, " ")
		}
		if names(left) != tt.left || names(gone) != tt.gone || c.isMajority(left) == tt.noMajority || c.isMajority(gone) != tt.mayBeLacked {
			t.Errorf("%q without %q: left %q, gone %q", tt.members, tt.names, names(left), names(gone))
		}
	}
}
