package host

import (
	"os"
	"path/filepath"
	"strings"
)

// Processes counts the processes whose program lies in a folder. As another user than
// root it sees its own alone.
func (h Host) Processes(folder string) int {
	n := 0
	links, _ := filepath.Glob(h.path("/proc/[0-9]*/exe"))
	for _, link := range links {
		if program, err := os.Readlink(link); err == nil && strings.HasPrefix(program, folder+"/") {
			n++
		}
	}
	return n
}
