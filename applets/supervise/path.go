package supervise

import (
	"context"
	"errors"
	"io"
	"os"
	"time"

	"chatmaild/applets/supervise/unit"
)

// pathPoll is how often paths are looked at. What they start has minutes (a certificate) or
// waits anyway (deferred mail), so polling is soon enough.
const pathPoll = 2 * time.Second

// changes fires as a path unit says.
func changes(ctx context.Context, _ string, u *unit.Unit, fire func()) error {
	before := map[string]version{}
	for _, p := range u.Changed {
		before[p] = versionOf(p)
	}
	tick := time.NewTicker(pathPoll)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		happened := false
		for _, p := range u.Changed {
			if v := versionOf(p); v != before[p] {
				before[p], happened = v, true
			}
		}
		for _, p := range u.NotEmpty {
			happened = happened || !empty(p)
		}
		if happened {
			fire()
		}
	}
}

// version tells a file from what it was before.
type version struct {
	there bool
	size  int64
	mtime time.Time
}

func versionOf(path string) version {
	info, err := os.Stat(path)
	if err != nil {
		return version{}
	}
	return version{true, info.Size(), info.ModTime()}
}

// empty reports whether there is nothing in a directory; one that is not there is empty.
func empty(path string) bool {
	d, err := os.Open(path)
	if err != nil {
		return true
	}
	defer d.Close()
	_, err = d.Readdirnames(1)
	return errors.Is(err, io.EOF)
}
