package transfer

import (
	"fmt"
	"io"
	"time"

	"chatmaild/applets/admin/transfer/archive"
	"chatmaild/applets/command"
)

// Progress tells, on a terminal, how far something has come, how fast it is and how
// long it will take. Not on a terminal it tells the outcome alone. The nil Progress
// tells nothing.
type Progress struct {
	// Part says how much of a file was read, up to 1; nil if that is not known.
	Part func() float64

	w     io.Writer // for the outcome
	live  *command.Progress
	what  string
	total int // pieces still to come when it began; 0 if that is not known
	first archive.State
	begun time.Time
}

// NewProgress begins one; total is how many pieces are to come, 0 if that is not known.
func NewProgress(w io.Writer, what string, total int, first archive.State) *Progress {
	return &Progress{w: w, live: command.NewProgress(w), what: what, total: total, first: first, begun: time.Now()}
}

// Show tells how far it has come.
func (p *Progress) Show(s archive.State) {
	if p != nil && p.live != nil {
		p.live.Show("%s", p.line(s, time.Since(p.begun)))
	}
}

// line is what a terminal shows after some time.
func (p *Progress) line(s archive.State, took time.Duration) string {
	pieces, files, size := s.Pieces-p.first.Pieces, s.Files-p.first.Files, s.Bytes-p.first.Bytes
	seconds := max(took.Seconds(), 0.001)
	text := fmt.Sprintf("%s: %d files, %s, %s/s, %.0f files/s", p.what, s.Files, command.FormatSize(s.Bytes),
		command.FormatSize(int64(float64(size)/seconds)), float64(files)/seconds)
	if p.Part != nil {
		part := max(p.Part(), 0.001)
		return fmt.Sprintf("%s, %.0f %%, %v left", text, 100*part, time.Duration(float64(took)*(1/part-1)).Round(time.Second))
	}
	if p.total == 0 || pieces == 0 {
		return text
	}
	left := time.Duration(float64(took) / float64(pieces) * float64(max(int64(p.total)-pieces, 0)))
	return fmt.Sprintf("%s, %d of %d pieces, %v left", text, pieces, p.total, left.Round(time.Second))
}

// Clear takes the line back.
func (p *Progress) Clear() {
	if p != nil {
		p.live.Clear()
	}
}

// Finish tells the outcome.
func (p *Progress) Finish(s archive.State) {
	if p == nil {
		return
	}
	p.Clear()
	took := time.Since(p.begun)
	fmt.Fprintf(p.w, "%s: %d pieces with %d files, %s in %v (%s/s)\n", p.what, s.Pieces, s.Files, command.FormatSize(s.Bytes),
		took.Round(10*time.Millisecond), command.FormatSize(int64(float64(s.Bytes-p.first.Bytes)/max(took.Seconds(), 0.001))))
}
