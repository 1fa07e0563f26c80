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
	suite := Suite(os.Getenv("SUITE"))
	switch {
	case suite == "":
		return Trixie, nil
	case slices.Contains(Suites(), suite):
		return suite, nil
	}
	names := make([]string, 0, len(Suites()))
	for _, s := range Suites() {
		names = append(names, string(s))
	}
	return "", fmt.Errorf("SUITE=%s: want one of %s", suite, strings.Join(names, ", "))
}

// PostfixUnit is the systemd unit that Postfix runs in. (Bookworm's postfix.service
// runs nothing itself: a restart of that one does not wait.)
func (s Suite) PostfixUnit() string {
	if s == Bookworm {
		return "postfix@-.service"
	}
	return "postfix.service"
}
