package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Sysctl is a kernel parameter that is lower than it should be.
type Sysctl struct {
	Name         string
	Wanted, Have int
}

// Sysctls returns the parameters in a file of sysctl.d(5) that are lower now and
// can be set. Higher ones are an operator's wish, and stay; in a container only its
// host can set them, and some containers do not even have them.
func (h Host) Sysctls(file string) ([]Sysctl, error) {
	text, err := os.ReadFile(h.path(file))
	if err != nil {
		return nil, fmt.Errorf("reading kernel parameters: %w", err)
	}
	var low []Sysctl
	for line := range strings.Lines(string(text)) {
		name, value, ok := strings.Cut(line, "=")
		name = strings.TrimSpace(name)
		if !ok || strings.HasPrefix(name, "#") {
			continue
		}
		wanted, err := strconv.Atoi(strings.TrimSpace(value))
		if err != nil {
			return nil, fmt.Errorf("%s: %s is not a number: %w", file, name, err)
		}
		now, err := os.ReadFile(h.path(sysctlPath(name)))
		if errors.Is(err, fs.ErrNotExist) {
			continue // a container that does not show it
		}
		if err != nil {
			return nil, fmt.Errorf("reading a kernel parameter: %w", err)
		}
		have, err := strconv.Atoi(strings.TrimSpace(string(now)))
		if err != nil {
			return nil, fmt.Errorf("kernel parameter %s is not a number: %w", name, err)
		}
		// /proc/sys is mounted read-only in most containers.
		if have < wanted && unix.Access(h.path(sysctlPath(name)), unix.W_OK) == nil {
			low = append(low, Sysctl{name, wanted, have})
		}
	}
	return low, nil
}

// SetSysctl sets the parameter until the next boot, when systemd-sysctl does.
func (h Host) SetSysctl(s Sysctl) error {
	return os.WriteFile(h.path(sysctlPath(s.Name)), []byte(strconv.Itoa(s.Wanted)), 0o644)
}

func sysctlPath(name string) string { return "/proc/sys/" + strings.ReplaceAll(name, ".", "/") }
