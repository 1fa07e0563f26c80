package admin

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"chatmaild/applets/admin/outside"
	"chatmaild/applets/admin/proof"
)

// testReport is what test --json prints.
type testReport struct {
	Domain       string       `json:"domain"`
	Other        string       `json:"other,omitempty"`
	Version      string       `json:"version"` // of the chatmaild that tested
	Time         time.Time    `json:"time"`
	Milliseconds int64        `json:"milliseconds"`
	OK           bool         `json:"ok"`
	Counts       testCounts   `json:"counts"`
	Checks       []testResult `json:"checks"`
}

type testCounts struct {
	Passed  int `json:"passed"`
	Noted   int `json:"noted"`
	Failed  int `json:"failed"`
	Skipped int `json:"skipped"`
}

type testResult struct {
	Name         string      `json:"name"`
	Group        proof.Group `json:"group"`
	State        proof.State `json:"state"`
	Milliseconds int64       `json:"milliseconds"`
	Seen         string      `json:"seen"`
	Wanted       string      `json:"wanted"`
	Advice       string      `json:"advice,omitempty"`
}

func newTestReport(relays []*outside.Relay, version string, start time.Time, took time.Duration, results []proof.Result) testReport {
	r := testReport{
		Domain: relays[0].Host, Version: version, Time: start.UTC().Truncate(time.Second),
		Milliseconds: took.Milliseconds(), Checks: []testResult{},
	}
	if len(relays) > 1 {
		r.Other = relays[1].Host
	}
	for _, c := range results {
		switch c.State {
		case proof.Passed:
			r.Counts.Passed++
		case proof.Noted:
			r.Counts.Noted++
		case proof.Failed:
			r.Counts.Failed++
		default:
			r.Counts.Skipped++
		}
		r.Checks = append(r.Checks, testResult{
			c.Name, c.Group, c.State, c.Took.Milliseconds(), printableText(c.Seen), c.Wanted, c.Advice,
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
		if c < ' ' || c >= 0x7f && c < 0xa0 {
			c = ' '
		}
		b.WriteRune(c)
	}
	return b.String()
}

func (r testReport) printJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

func newTable(w io.Writer) *tabwriter.Writer { return tabwriter.NewWriter(w, 0, 0, 2, ' ', 0) }

// print shows a line for each check, then what is to be done.
func (r testReport) print(w io.Writer, colour bool) error {
	title := "testing " + r.Domain
	if r.Other != "" {
		title += " and " + r.Other
	}
	fmt.Fprintf(w, "%s with chatmaild %s\n", title, r.Version)
	table := newTable(w)
	group := proof.Group("")
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
	_, err := fmt.Fprintln(w, "The accounts made for this are used no more; the relay deletes them in time.")
	return err
}

// advice returns a paragraph for each thing to do: checks that saw the same share one.
func (r testReport) advice() []string {
	type thing struct {
		state                proof.State
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

// stateMark keeps the width of the column, as mark does.
func stateMark(s proof.State, colour bool) string {
	text := map[proof.State]string{proof.Passed: "ok    ", proof.Noted: "note  ", proof.Failed: "FAILED", proof.Skipped: "skip  "}[s]
	if !colour {
		return text
	}
	code := map[proof.State]string{proof.Passed: "\x1b[32m", proof.Noted: "\x1b[33m", proof.Failed: "\x1b[31m", proof.Skipped: "\x1b[36m"}[s]
	return code + text + "\x1b[0m"
}

// The elements of JUnit's XML that every reader of it knows
// (github.com/testmoapp/junitxml).
type junitSuite struct {
	XMLName   xml.Name    `xml:"testsuite"`
	Name      string      `xml:"name,attr"`
	Tests     int         `xml:"tests,attr"`
	Failures  int         `xml:"failures,attr"`
	Errors    int         `xml:"errors,attr"`
	Skipped   int         `xml:"skipped,attr"`
	Time      string      `xml:"time,attr"` // seconds
	Timestamp string      `xml:"timestamp,attr"`
	Cases     []junitCase `xml:"testcase"`
}

type junitCase struct {
	Class   string        `xml:"classname,attr"`
	Name    string        `xml:"name,attr"`
	Time    string        `xml:"time,attr"`
	Failure *junitMessage `xml:"failure,omitempty"`
	Skipped *junitMessage `xml:"skipped,omitempty"`
	Output  string        `xml:"system-out,omitempty"`
}

type junitMessage struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

func (r testReport) junit() ([]byte, error) {
	suite := junitSuite{
		Name: "chatmaild test " + r.Domain, Tests: len(r.Checks), Failures: r.Counts.Failed, Skipped: r.Counts.Skipped,
		Time: seconds(r.Milliseconds), Timestamp: r.Time.Format("2006-01-02T15:04:05"),
	}
	for _, c := range r.Checks {
		one := junitCase{Class: r.Domain + "." + string(c.Group), Name: c.Name, Time: seconds(c.Milliseconds)}
		switch c.State {
		case proof.Failed:
			one.Failure = &junitMessage{c.Seen, fmt.Sprintf("wanted: %s\nto do: %s", c.Wanted, c.Advice)}
		case proof.Skipped:
			one.Skipped = &junitMessage{Message: c.Seen}
		case proof.Noted:
			one.Output = fmt.Sprintf("noted: %s\nwanted: %s\nto do: %s", c.Seen, c.Wanted, c.Advice)
		default:
			one.Output = c.Seen
		}
		suite.Cases = append(suite.Cases, one)
	}
	text, err := xml.MarshalIndent(suite, "", "  ")
	return append([]byte(xml.Header), append(text, '\n')...), err
}

func seconds(milliseconds int64) string { return fmt.Sprintf("%.3f", float64(milliseconds)/1000) }
