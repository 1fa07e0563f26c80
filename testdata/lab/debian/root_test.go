package debian

import (
	"slices"
	"testing"
)

func TestParseDepends(t *testing.T) {
	const control = `Source: x
Build-Depends: debhelper

Package: x
Pre-Depends: dpkg (>= 1.20)
Depends:
# a comment
 nginx-light | nginx,
 dovecot-core (>= 1:2.3), dovecot-core (<< 1:2.4~),
 libfoo [amd64],
 ${misc:Depends},
Suggests: cowsay
`
	want := []string{"dpkg", "nginx-light", "dovecot-core", "dovecot-core", "libfoo"}
	got, err := parseDepends(control)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
	for _, bad := range []string{"", "Package: x\n", "Depends: Not-A-Package\n"} {
		if got, err := parseDepends(bad); err == nil {
			t.Errorf("%q: got %q, want an error", bad, got)
		}
	}
}
