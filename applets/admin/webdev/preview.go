// Package webdev shows the web pages of a relay while their author works on them: it
// renders the directory again whenever a file changes, makes the browser reload, and puts
// an error into the page, with the file's lines around it.
package webdev

import (
	"context"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"time"

	"chatmaild/packaging/www"
)

// Preview is the site as its sources were at the last Refresh.
type Preview struct {
	site www.Site
	dir  fs.FS // may be nil

	mu  sync.Mutex
	now state
}

// state is one rendering.
type state struct {
	version int    // counts the renderings
	stamp   string // of the directory's files
	files   map[string][]byte
	err     error
	changed chan struct{} // closed at the next rendering
}

// New returns the preview of site with the files of directory, which may be nil.
func New(site www.Site, dir fs.FS) *Preview {
	p := &Preview{site: site, dir: dir}
	p.now = p.render(p.look(), 1)
	return p
}

func (p *Preview) render(stamp string, version int) state {
	files, err := www.Render(p.site, p.dir)
	return state{version, stamp, files, err, make(chan struct{})}
}

// Watch refreshes whenever tick fires, until ctx is done.
//
// It polls: inotify sees nothing of what a container or a network file system changes, and
// the directory has a few dozen files.
func (p *Preview) Watch(ctx context.Context, tick <-chan time.Time) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick:
			p.Refresh()
		}
	}
}

// Refresh renders the site again if a file of the directory has changed. One goroutine at
// a time may call it.
func (p *Preview) Refresh() {
	stamp := p.look()
	old := p.current()
	if stamp == old.stamp {
		return
	}
	next := p.render(stamp, old.version+1)
	p.mu.Lock()
	p.now = next
	p.mu.Unlock()
	// After the new rendering is in place: a browser that wakes asks for it at once.
	close(old.changed)
}

// look returns what tells one state of the directory from the next: names, sizes and
// times. What cannot be read is part of the state; Render shows what is wrong.
func (p *Preview) look() string {
	if p.dir == nil {
		return ""
	}
	var b strings.Builder
	err := fs.WalkDir(p.dir, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "%s %d %d\n", name, info.Size(), info.ModTime().UnixNano())
		return nil
	})
	if err != nil {
		b.WriteString(err.Error())
	}
	return b.String()
}

func (p *Preview) current() state {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now
}
