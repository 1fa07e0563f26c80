package supervise

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"

	"chatmaild/store/atomicfile"
)

// names is a set of names that outlives the container: a file with a line for each.
type names struct {
	path string

	mu  sync.Mutex
	all map[string]bool
}

func readNames(path string) (*names, error) {
	n := &names{path: path, all: map[string]bool{}}
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading which units are disabled: %w", err)
	}
	for _, name := range strings.Fields(string(text)) {
		n.all[name] = true
	}
	return n, nil
}

func (n *names) has(name string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.all[name]
}

// set adds a name or removes it.
func (n *names) set(name string, in bool) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.all[name] == in {
		return nil
	}
	next := maps.Clone(n.all)
	if next[name] = true; !in {
		delete(next, name)
	}
	text := strings.Join(append(slices.Sorted(maps.Keys(next)), ""), "\n")
	if err := atomicfile.Write(n.path, []byte(text), 0o644, nil); err != nil {
		return err
	}
	n.all = next
	return nil
}
