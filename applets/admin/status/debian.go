package status

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"chatmaild/applets/admin/desired"
	"chatmaild/applets/admin/host"
)

// debian says what an upgrade of Debian will do, and what one has done.
func debian(machine host.Host) finding {
	stale, err := machine.Exists(desired.BookwormOnly)
	if err != nil {
		return finding{"Debian", trouble, err.Error(), ""}
	}
	kept, err := machine.Glob(filepath.Join(desired.Backups, "*", desired.BookwormOnly))
	if err != nil {
		return finding{"Debian", trouble, err.Error(), ""}
	}
	former := ""
	if len(kept) > 0 {
		former = strings.TrimSuffix(slices.Max(kept), desired.BookwormOnly)
	}
	return debianFinding(machine.Release(), stale, former)
}

// debianFinding judges a release. Stale is that the machine is configured for Bookworm;
// former is where the configurations for it are, if they were replaced.
func debianFinding(release desired.Release, stale bool, former string) finding {
	told := fmt.Sprint(int(release))
	switch {
	case release == desired.Bookworm:
		return finding{"Debian", notice, told + "; an upgrade to 13 keeps mail, accounts and this package, which then writes the configurations for 13 by itself; mail waits meanwhile",
			"UPGRADING DEBIAN in chatmaild-operating(7)"}
	case stale:
		return finding{"Debian", trouble, told + "; the configurations are still those for 12", "chatmaild run"}
	case former != "":
		return finding{"Debian", fine, told + "; upgraded from 12, whose configurations are in " + former, ""}
	}
	return finding{"Debian", fine, told, ""}
}
