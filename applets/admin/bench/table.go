package bench

import (
	"fmt"
	"io"
	"strings"
	"time"

	"chatmaild/applets/command"
)

// Print writes the report for people.
func (r *Report) Print(out io.Writer) error {
	fmt.Fprintf(out, "measuring %s with chatmaild %s, %s, %d accounts\n\n", r.Domain, r.Version, r.Time.Format(time.DateTime), r.Accounts)
	w := command.NewNumberTable(out)
	fmt.Fprintf(w, "\tcount\tp50\tp95\tp99\tslowest\t\n")
	for _, row := range []struct {
		what  string
		times Series
	}{
		{"connection", r.Connect}, {"first login", r.First}, {"login", r.Known}, {"delivery", r.Delivery},
	} {
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\t%s\t\n", row.what, len(row.times), ms(row.times, 0.5), ms(row.times, 0.95), ms(row.times, 0.99), ms(row.times, 1))
	}
	fmt.Fprintf(w, "\nclients\tmessages/s\ttaken p50\ttaken p95\tdelivery p50\tdelivery p95\tdelivery p99\t\n")
	for _, l := range r.Levels {
		note := l.Note()
		if note != "" {
			note = "  " + note
		}
		fmt.Fprintf(w, "%d\t%.1f\t%s\t%s\t%s\t%s\t%s\t%s\n", l.Clients, l.PerSecond, ms(l.Accept, 0.5), ms(l.Accept, 0.95),
			ms(l.Delivery, 0.5), ms(l.Delivery, 0.95), ms(l.Delivery, 0.99), note)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "\n%.1f messages a second at best; %s. It took %.0f s.\n", r.Best, r.Stopped, r.Seconds)
	return err
}

// ms writes a quantile in milliseconds, which is what people compare.
func ms(s Series, part float64) string {
	if len(s) == 0 {
		return "-"
	}
	return fmt.Sprintf("%d ms", s.Quantile(part).Milliseconds())
}

// Note says what is to be known of a level beside its figures.
func (l Level) Note() string {
	var notes []string
	if l.Held {
		notes = append(notes, "held back by the limit")
	}
	if l.Untold > 0 {
		notes = append(notes, fmt.Sprintf("%d arrived without a notification", l.Untold))
	}
	if l.Missing > 0 {
		notes = append(notes, fmt.Sprintf("%d lost", l.Missing))
	}
	return strings.Join(notes, ", ")
}
