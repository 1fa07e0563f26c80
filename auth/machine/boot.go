package machine

import (
	"os"
	"strings"
)

// Boot returns the id of the time since this machine was booted (random(4)), or "" where
// there is no /proc to tell.
func Boot() string {
	id, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(id))
}
