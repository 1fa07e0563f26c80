package postgres

import "time"

// Names of the servers that a directory asks, for Observe.
const (
	CopyServer   = "copy"   // this machine's
	WriterServer = "writer" // whichever machine's
)

// Observe has a function told of each question to a server: how long it took, and whether
// the server failed, so that nobody asks it for a moment. It is to be called before the first
// question.
func (d *Directory) Observe(asked func(server string, took time.Duration, failed bool)) {
	d.copy.asked = func(took time.Duration, failed bool) { asked(CopyServer, took, failed) }
	d.writer.asked = func(took time.Duration, failed bool) { asked(WriterServer, took, failed) }
}
