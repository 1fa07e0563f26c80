package expire

import (
	"fmt"
	"sync"
	"time"

	"chatmaild/applets/command"
	"chatmaild/store/expire"
	"chatmaild/store/maildir"
)

// whatExpires says what each reason counts.
var whatExpires = map[expire.Reason]string{
	expire.Old:      "old messages",
	expire.Large:    "large messages",
	expire.Full:     "of full mailboxes",
	expire.Inactive: "inactive mailboxes",
	expire.Empty:    "empty directories",
}

// print writes the result. A real run tells it to a person or a program that
// asked; the journal has its summary line.
func (job *expiry) print(env *command.Env, o expire.Outcome) error {
	if job.json {
		return command.PrintJSON(env.Stdout, o)
	}
	if !job.dryRun && !command.IsTerminal(env.Stdout) {
		return nil
	}
	title := "deleted"
	if o.DryRun {
		title = "would be deleted"
	}
	w := command.NewNumberTable(env.Stdout)
	fmt.Fprintf(w, "%s\tcount\tsize\t\n", title)
	for _, r := range expire.Reasons() {
		t := o.Deleted[r.String()]
		fmt.Fprintf(w, "%s\t%d\t%s\t\n", whatExpires[r], t.Count, command.FormatSize(t.Size))
	}
	fmt.Fprintf(w, "all\t\t%s\t\n", command.FormatSize(o.Freed))
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(env.Stdout, "%d mailboxes, %d messages looked at in %.1f s\n", o.Mailboxes, o.Messages, o.Seconds)
	_, err := fmt.Fprintf(env.Stdout, "mailboxes above %d %% of max_mailbox_size: %d; still so, with mail of the last 24 hours: %d\n",
		expire.FullPercent, o.Over, o.StillOver)
	return err
}

// showProgress shows at a terminal how far the walk is. The function it returns ends
// that.
func showProgress(env *command.Env, mail *expire.Store, p *maildir.Progress) (stop func()) {
	line := command.NewProgress(env.Stderr)
	if line == nil {
		return func() {}
	}
	total, start := mail.Count(), time.Now()
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(500 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				line.Show("%s", progressLine(p.Mailboxes.Load(), total, time.Since(start)))
			case <-done:
				line.Clear()
				return
			}
		}
	})
	return func() { close(done); wg.Wait() }
}

func progressLine(n, total int64, elapsed time.Duration) string {
	line := fmt.Sprintf("%d of %d mailboxes", n, total)
	if rate := float64(n) / elapsed.Seconds(); n > 0 && rate > 0 {
		left := time.Duration(float64(max(total-n, 0)) / rate * float64(time.Second))
		line += fmt.Sprintf(", %.0f a second, %s left", rate, left.Round(time.Second))
	}
	return line
}
