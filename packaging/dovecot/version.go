package dovecot

import (
	"fmt"
	"regexp"
	"strconv"
)

// Version is the part of Dovecot's version by which its configuration differs.
type Version struct{ Major, Minor int }

// The versions that there are configurations for. A Debian has one of its own, and the
// Python relay brings another: its fork of 2.3 to Debian 13, too.
var (
	V23 = Version{2, 3}
	V24 = Version{2, 4}
)

// versionText is what "dovecot --version" prints, such as "2.4.1-4 (7d8c0e5759)".
var versionText = regexp.MustCompile(`^(\d{1,4})\.(\d{1,4})[^\d]`)

// ParseVersion reads what "dovecot --version" prints. It fails if there is no
// configuration for that version.
func ParseVersion(text string) (Version, error) {
	m := versionText.FindStringSubmatch(text)
	if m == nil {
		return Version{}, fmt.Errorf("%.60q is not a version of Dovecot", text)
	}
	major, _ := strconv.Atoi(m[1]) // it has four digits at most
	minor, _ := strconv.Atoi(m[2])
	v := Version{major, minor}
	if v != V23 && v != V24 {
		return v, fmt.Errorf("chatmaild has no configuration for Dovecot %d.%d: want %d.%d or %d.%d", major, minor, V23.Major, V23.Minor, V24.Major, V24.Minor)
	}
	return v, nil
}
