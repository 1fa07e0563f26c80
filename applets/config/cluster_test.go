package config

import (
	"net/netip"
	"strings"
	"testing"
)

// TestWithMembers changes the list of machines and nothing else of a configuration.
func TestWithMembers(t *testing.T) {
	a, b := Member{"a", netip.MustParseAddr("10.7.0.1")}, Member{"b", netip.MustParseAddr("fd07::2")}
	const table = "[cluster]\nname = \"b\"\nmembers = [\n\t\"a 10.7.0.1\",\n\t\"b fd07::2\",\n]\n"
	const domain = "mail_domain = \"chat.example\" # ours\n"
	for name, tt := range map[string]struct{ before, want string }{
		"none":     {domain, domain + "\n" + table},
		"a list":   {domain + "[cluster]\nname = \"b\"\nmembers = [\"a 10.7.0.1\", \"b 10.7.0.2\"]\n", domain + table},
		"lines":    {domain + "# these\n[ cluster ] # all\n# one\nmembers = [\n  \"b 10.7.0.2\",\n  # two\n]\n\nname = \"b\"\n", domain + "# these\n" + table + "# one\n  # two\n\n"},
		"as a key": {domain + "cluster.name = \"b\"\ncluster.members = [\"b 10.7.0.2\"]\n", ""},
	} {
		got, err := WithMembers(tt.before, "b", []Member{a, b})
		if (err == nil) != (tt.want != "") || got != tt.want {
			t.Errorf("%s: got %q, %v, want %q", name, got, err, tt.want)
		}
		if err != nil {
			continue
		}
		if again, err := WithMembers(got, "b", []Member{a, b}); again != got || err != nil {
			t.Errorf("%s, again: got %q, %v", name, again, err)
		}
	}
	if _, err := WithMembers(domain, "c", []Member{a, b}); err == nil || !strings.Contains(err.Error(), "cluster.name") {
		t.Errorf("a machine that is none of them: %v", err)
	}
}
