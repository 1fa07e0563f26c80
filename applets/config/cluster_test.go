package config

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// TestWithMembers changes the list of machines and nothing else of a configuration.
func TestWithMembers(t *testing.T) {
	a, b := Member{Name: "a", Addr: netip.MustParseAddr("10.7.0.1")}, Member{Name: "b", Addr: netip.MustParseAddr("fd07::2")}
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

// TestConfirming: a machine that joins, and one that was given up, are in the list, and none of
// those that confirm. The latter is not asked either.
func TestConfirming(t *testing.T) {
	members := []Member{
		{Name: "a", Addr: netip.MustParseAddr("10.7.0.1")}, {Name: "b", Addr: netip.MustParseAddr("fd07::2"), Joining: true},
		{Name: "c", Addr: netip.MustParseAddr("10.7.0.3"), Lost: true},
	}
	text, err := WithMembers("mail_domain = \"chat.example\"\n", "a", members)
	if err != nil || !strings.Contains(text, `"b fd07::2 joining"`) || !strings.Contains(text, `"c 10.7.0.3 lost"`) {
		t.Fatalf("%s, %v", text, err)
	}
	conf, err := Parse("test.toml", text)
	if err != nil {
		t.Fatal(err)
	}
	if got := Members(conf); !slices.Equal(got, members) {
		t.Errorf("got %v", got)
	}
	if got := Confirming(conf); !slices.Equal(got, members[:1]) {
		t.Errorf("got %v", got)
	}
	if got := Asked(conf); !slices.Equal(got, members[:2]) {
		t.Errorf("asked: %v", got)
	}
	for _, text := range []string{"b fd07::2 leaving", "b joining", "b fd07::2 joining joining", "b fd07::2 joining lost"} {
		if m, err := ParseMember(text); err == nil {
			t.Errorf("%q: got %v", text, m)
		}
	}
}
