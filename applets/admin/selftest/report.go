package selftest

import (
	"fmt"
	"io"
	"strings"
	"time"

	"chatmaild/applets/admin/remote"
	"chatmaild/applets/command"
)

// report is what test --json prints.
type report struct {
	Domain       string     `json:"domain"`
	Other        string     `json:"other,omitempty"`
	Version      string     `json:"version"` // of the chatmaild that tested
	Time         time.Time  `json:"time"`
	Milliseconds int64      `json:"milliseconds"`
	OK           bool       `json:"ok"`
	Counts       counts     `json:"counts"`
	Checks       []reported `json:"checks"`
}

type counts struct {
	Passed  int `json:"passed"`
	Noted   int `json:"noted"`
	Failed  int `json:"failed"`
	Skipped int `json:"skipped"`
}

type reported struct {
	Name         string `json:"name"`
	Group        Group  `json:"group"`
	State        State  `json:"state"`
	Milliseconds int64  `json:"milliseconds"`
	Seen         string `json:"seen"`
	Wanted       string `json:"wanted"`
	Advice       string `json:"advice,omitempty"`
}

// newReport makes the results printable: what a relay says may hold anything, and goes
// to a terminal.
func newReport(relays []*remote.Relay, version string, start time.Time, took time.Duration, results []Result) report {
	r := report{
		Domain: relays[0].Domain, Version: version, Time: start.UTC().Truncate(time.Second),
		Milliseconds: took.Milliseconds(), Checks: []reported{},
	}
	if len(relays) > 1 {
		r.Other = relays[1].Domain
	}
	for _, c := range results {
		switch c.State {
		case Passed:
			r.Counts.Passed++
		case Noted:
			r.Counts.Noted++
		case Failed:
			r.Counts.Failed++
		default:
			r.Counts.Skipped++
		}
		r.Checks = append(r.Checks, reported{
			c.Name, c.Group, c.State, c.Took.Milliseconds(), printableText(c.Seen), c.Wanted, command.Hint(c.Advice),
		})
	}
	r.OK = r.Counts.Failed == 0
	return r
}

// printableText takes out what a relay could send to a terminal, and all but the
// beginning of what is long.
func printableText(s string) string {
	const limit = 300 // runes
	var b strings.Builder
	n := 0
	for _, c := range strings.ToValidUTF8(s, "?") {
		if n++; n > limit {
			return b.String() + "…"
		}
		// C0, DEL and C1: a terminal may take them for commands (ECMA-48).
		if c < ' ' || c >= 0x7f && c < 0xa0 {
			c = ' '
		}
		b.WriteRune(c)
	}
	return b.String()
}

// print shows a line for each check, then what is to be done.
func (r report) print(w io.Writer, colour bool) error {
	title := "testing " + r.Domain
	if r.Other != "" {
		title += " and " + r.Other
	}
	fmt.Fprintf(w, "%s with chatmaild %s\n", title, r.Version)
	table := command.NewTable(w)
	group := Group("")
	for _, c := range r.Checks {
		if c.Group != group {
			group = c.Group
			fmt.Fprintf(table, "\n%s\n", group)
		}
		fmt.Fprintf(table, "  %s\t%s\t%d ms\t%s\n", stateMark(c.State, colour), c.Name, c.Milliseconds, c.Seen)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, list := range r.advice() {
		fmt.Fprintf(w, "\n%s\n", list)
	}
	fmt.Fprintf(w, "\n%d passed, %d noted, %d failed, %d skipped, in %.1f s.\n",
		r.Counts.Passed, r.Counts.Noted, r.Counts.Failed, r.Counts.Skipped, float64(r.Milliseconds)/1000)
	_, err := fmt.Fprintln(w, "The accounts created for this are not used again; the relay deletes them in time.")
	return err
}

// advice returns a paragraph for each thing to do: checks that saw the same share one.
func (r report) advice() []string {
	type thing struct {
		state                State
		wanted, seen, advice string
	}
	var order []thing
	names := make(map[thing][]string)
	for _, c := range r.Checks {
		if c.Advice == "" {
			continue
		}
		t := thing{c.State, c.Wanted, c.Seen, c.Advice}
		if names[t] == nil {
			order = append(order, t)
		}
		names[t] = append(names[t], c.Name)
	}
	var paragraphs []string
	for _, t := range order {
		paragraphs = append(paragraphs, fmt.Sprintf("%s: %s\n  wanted  %s\n  seen    %s\n  to do   %s",
			strings.Join(names[t], ", "), t.state, t.wanted, t.seen, t.advice))
	}
	return paragraphs
}

// stateMark is as wide for every state.
func stateMark(s State, colour bool) string {
	text := map[State]string{Passed: "ok    ", Noted: "note  ", Failed: "FAILED", Skipped: "skip  "}[s]
	if !colour {
		return text
	}
	return map[State]command.Colour{Passed: command.Green, Noted: command.Yellow, Failed: command.Red, Skipped: command.Cyan}[s].Paint(text)
}
