package debian

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// A Suite is a release of Debian, by its code name.
type Suite string

// The releases that the package supports.
const (
	Bookworm Suite = "bookworm"
	Trixie   Suite = "trixie"
)

// Suites are all of them, the oldest first.
func Suites() []Suite { return []Suite{Bookworm, Trixie} }

// ChosenSuite is the Debian that the lab's hosts run: that of $SUITE, or else trixie.
func ChosenSuite() (Suite, error) {
	name := os.Getenv("SUITE")
	if name == "" {
		return Trixie, nil
	}
	suite, err := ParseSuite(name)
	if err != nil {
		return "", fmt.Errorf("SUITE: %w", err)
	}
	return suite, nil
}

// ParseSuite is the Debian of a code name.
func ParseSuite(name string) (Suite, error) {
	suites := Suites()
	if slices.Contains(suites, Suite(name)) {
		return Suite(name), nil
	}
	names := make([]string, 0, len(suites))
	for _, s := range suites {
		names = append(names, string(s))
	}
	return "", fmt.Errorf("there is no Debian %q here: want one of %s", name, strings.Join(names, ", "))
}

// PostfixUnit is the systemd unit that Postfix runs in. (Bookworm's postfix.service
// runs nothing itself: a restart of that one does not wait.)
func (s Suite) PostfixUnit() string {
	if s == Bookworm {
		return "postfix@-.service"
	}
	return "postfix.service"
}
