package maildir

import (
	"context"
	"fmt"
	"path/filepath"
)

// Usage is what is in a mailbox.
type Usage struct {
	Messages int
	Size     int64 // of all files, in bytes on the disk
}

// UsageOf looks into the mailbox at path.
func UsageOf(ctx context.Context, path string) (Usage, error) {
	top, err := OpenDir(filepath.Dir(path))
	if err != nil {
		return Usage{}, err
	}
	defer top.Close()
	var counted Usage
	var faults Faults
	WalkOne(ctx, top, filepath.Base(path), &counter{&counted, &faults}, &faults)
	if err := faults.Err(); err != nil {
		return counted, fmt.Errorf("looking into the mailbox: %s: %s", faults.Kinds()[0].Doing, faults.Kinds()[0].Error)
	}
	return counted, ctx.Err()
}

// counter is the visitor that counts.
type counter struct {
	sum    *Usage
	faults *Faults
}

func (c *counter) Mailbox(*Mailbox) bool { return true }
func (c *counter) Leave(*Mailbox)        {}

func (c *counter) Messages(m *Mailbox, d Dir, in Subdir, files []Entry) {
	for _, e := range files {
		if in != Tmp {
			c.sum.Messages++
		}
		c.Other(m, d, e)
	}
}

func (c *counter) Other(m *Mailbox, d Dir, e Entry) {
	switch st, err := d.Stat(string(e.Name)); {
	case err == nil && IsRegular(st):
		c.sum.Size += st.Size
	case err != nil && !Gone(err):
		c.faults.Add("looking at a file", err, m.Name, string(e.Name))
	}
}
