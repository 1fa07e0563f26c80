package main

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"chatmaild/applets/admin/bench/plot"
	"chatmaild/testdata/lab/load"
)

//go:embed page.html
var pageText string

// The names of costs from which others follow.
const (
	idleSession = "idle session"
	perMessage  = "message"
	perPush     = "notification"
)

// The large relay of which the report says what it would take.
const (
	largeSessions, largeAccounts = 20_000, 200_000
	largeMessages, largePushes   = 100.0, 25.0 // a second
	maxPoints                    = 300         // of a plot
	reportTime                   = "2 January 2006, 15:04"
)

// A report is what was measured.
type report struct {
	Title  string       `json:"title"`
	Notes  []string     `json:"notes"` // what is to be known of it
	Time   time.Time    `json:"time"`
	Rest   float64      `json:"memory_at_rest_mib"`
	Idle   float64      `json:"memory_idle_mib"` // with all sessions, and no messages
	Last   phase        `json:"-"`
	Costs  []cost       `json:"costs"`
	Events load.Events  `json:"events"`
	Mail   load.Account `json:"mail"`
	P50    float64      `json:"p50_ms"`
	P95    float64      `json:"p95_ms"`
	Login  [2]float64   `json:"login_p50_p95_ms"`
	Steps  []step       `json:"steps"`
	Wrong  []string     `json:"wrong"`
	Slopes []slope      `json:"slopes"`
	steady period       // when the sizes and rates were the same
	Series []sample     `json:"samples"`
}

// A step is something that was done to the relay, and what came of it.
type step struct {
	At     time.Time `json:"at"`
	What   string    `json:"what"`
	Result string    `json:"result"`
}

func newReport(title string, notes ...string) *report {
	return &report{Title: title, Time: time.Now().UTC(), Notes: notes}
}

func (r *report) cost(name, of string, value float64, unit string) {
	r.Costs = append(r.Costs, cost{name, of, value, unit})
}

// value is a cost's.
func (r *report) value(name string) float64 {
	for _, c := range r.Costs {
		if c.Name == name {
			return c.Value
		}
	}
	return 0
}

// wrong notes that something is not as it must be.
func (r *report) wrong(format string, args ...any) {
	r.Wrong = append(r.Wrong, fmt.Sprintf(format, args...))
}

// step notes what was done.
func (r *report) step(at time.Time, what, format string, args ...any) {
	s := step{at, what, fmt.Sprintf(format, args...)}
	r.Steps = append(r.Steps, s)
	fmt.Fprintf(os.Stderr, "%s %s: %s\n", s.At.Format(time.TimeOnly), s.What, s.Result)
}

// end takes in what the load and the watch have seen.
func (r *report) end(d *load.Load, samples []sample) {
	now := time.Now()
	texts, logins := d.Mail.Texts(r.Time, now), d.Logins(r.Time, now)
	r.P50, r.P95 = quantile(texts, 0.5), quantile(texts, 0.95)
	r.Login = [2]float64{quantile(logins, 0.5), quantile(logins, 0.95)}
	r.Events, r.Mail, r.Series = d.Events(), d.Mail.Account(), samples
	r.noteSlopes(samples)
}

// An estimate is what a large relay would take, by the costs.
type estimate struct{ What, Value string }

// estimates are extrapolated.
func (r *report) estimates() []estimate {
	if len(r.Costs) == 0 {
		return nil
	}
	session, account := r.value(idleSession), r.value("account on disk")
	cpu := (largeMessages*r.value(perMessage) + largePushes*r.value(perPush)) / 1000
	return []estimate{
		{fmt.Sprintf("%d idle sessions", largeSessions), fmt.Sprintf("%.1f GiB of memory", (r.Rest+largeSessions*session/1024)/1024)},
		{fmt.Sprintf("%d accounts without messages", largeAccounts), fmt.Sprintf("%.1f GiB of disk", largeAccounts*account/(1<<20))},
		{fmt.Sprintf("%.0f messages and %.0f notifications a second", largeMessages, largePushes), fmt.Sprintf("%.1f processors", cpu)},
	}
}

// most is the largest value of the samples.
func (r *report) most(of func(sample) float64) (most float64) {
	for _, s := range r.Series {
		most = max(most, of(s))
	}
	return most
}

// print writes what the report says, as text.
func (r *report) print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "%s\n", r.Title)
	for _, n := range r.Notes {
		fmt.Fprintf(w, "%s\n", n)
	}
	for _, c := range r.Costs {
		fmt.Fprintf(w, "%s\t%.2f %s\t%s\n", c.Name, c.Value, c.Unit, c.Of)
	}
	for _, e := range r.estimates() {
		fmt.Fprintf(w, "%s\t%s\textrapolated\n", e.What, e.Value)
	}
	for _, t := range r.tiles() {
		fmt.Fprintf(w, "%s\t%s\n", t.What, t.Value)
	}
	for _, s := range r.Steps {
		fmt.Fprintf(w, "%s\t%s\n", s.What, s.Result)
	}
	fmt.Fprintf(w, "mail\t%+v\n", r.mail())
	for _, s := range r.Slopes {
		fmt.Fprintf(w, "grows: %s\t%v\n", s.Program, s)
	}
	for text, n := range r.Events.Words {
		fmt.Fprintf(w, "%d ×\t%s\n", n, text)
	}
	for _, text := range r.Wrong {
		fmt.Fprintf(w, "WRONG\t%s\n", text)
	}
	return w.Flush()
}

// mail says what became of the messages.
func (r *report) mail() string {
	return fmt.Sprintf("%d accepted, %d lost, %d delivered twice; %d handed over again, %d given up", r.Mail.Accepted, r.Mail.Lost, r.Mail.Doubled, r.Events.Resent, r.Events.Failed)
}

// tiles are the figures that one wants first.
func (r *report) tiles() []estimate {
	return []estimate{
		{"from phone to phone, half of the texts sooner", fmt.Sprintf("%.0f ms", r.P50)},
		{"95 % of the texts sooner", fmt.Sprintf("%.0f ms", r.P95)},
		{"memory at most, of all services", fmt.Sprintf("%.0f MiB", r.most(func(s sample) float64 { return s.Memory.All }))},
		{"messages a second, at most in " + every.String(), fmt.Sprintf("%.1f", r.most(func(s sample) float64 { return s.Messages }))},
		{"logins, of which half took less than", fmt.Sprintf("%d, %.0f ms", r.Events.Logins, r.Login[0])},
		{"95 % of the logins", fmt.Sprintf("%.0f ms", r.Login[1])},
		{"logins refused; sessions ended", fmt.Sprintf("%d; %d", r.Events.Refused, r.Events.Ended)},
		{"new accounts", fmt.Sprint(r.Events.Accounts)},
	}
}

// thin keeps a plot's points few.
func thin(samples []sample) []sample {
	step := len(samples)/maxPoints + 1
	var some []sample
	for i := step - 1; i < len(samples); i += step {
		some = append(some, samples[i])
	}
	return some
}

// plots are those of the page, in pairs.
func (r *report) plots() []map[string]any {
	samples := thin(r.Series)
	var minutes []float64
	for _, s := range samples {
		minutes = append(minutes, s.At.Sub(r.Time).Minutes())
	}
	curve := func(name, class string, of func(sample) float64) plot.Curve {
		c := plot.Curve{Name: name, Class: class}
		for _, s := range samples {
			c.Values = append(c.Values, of(s))
		}
		return c
	}
	one := func(title, unit string, curves ...plot.Curve) map[string]any {
		return map[string]any{"Title": title, "Curves": curves, "Plot": plot.Lines(title, unit, minutes, curves...)}
	}
	of := func(figure func(sample) parts) []plot.Curve {
		return []plot.Curve{
			curve("all", "first", func(s sample) float64 { return figure(s).All }),
			curve("Dovecot", "second", func(s sample) float64 { return figure(s).Dovecot }),
			curve("Postfix", "third", func(s sample) float64 { return figure(s).Postfix }),
		}
	}
	return []map[string]any{
		one("Memory", "MiB", of(func(s sample) parts { return s.Memory })...),
		one("Processors", "busy", of(func(s sample) parts { return s.CPU })...),
		one("Texts", "ms", curve("half", "first", func(s sample) float64 { return s.P50 }), curve("95 %", "second", func(s sample) float64 { return s.P95 })),
		one("Mailboxes on disk", "MiB", curve("mailboxes", "first", func(s sample) float64 { return s.Disk })),
		one("Messages and notifications", "a second", curve("messages", "first", func(s sample) float64 { return s.Messages }), curve("notifications", "second", func(s sample) float64 { return s.Pushes })),
		one("Sessions", "", curve("sessions", "first", func(s sample) float64 { return float64(s.Sessions) })),
		one("Descriptors", "", curve("descriptors", "first", func(s sample) float64 { return float64(s.Files) })),
		one("Processes", "", curve("smtpd", "first", process("smtpd")), curve("imap", "second", process("imap")), curve("lmtp", "third", process("lmtp"))),
	}
}

// process is how many processes run a program.
func process(name string) func(sample) float64 {
	return func(s sample) (n float64) {
		for program, p := range s.Programs {
			if path.Base(program) == name {
				n += float64(p.Processes)
			}
		}
		return n
	}
}

// write writes the page and, beside it, the figures as JSON.
func (r *report) write(file string) error {
	page, err := template.New("page").Parse(pageText)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := page.Execute(&b, map[string]any{
		"Style": plot.Style(), "Report": r, "Time": r.Time.Format(reportTime), "Tiles": r.tiles(), "Estimates": r.estimates(), "Plots": r.plots(), "Mail": r.mail(),
	}); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	figures, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "the report is in", file)
	return os.WriteFile(strings.TrimSuffix(file, ".html")+".json", figures, 0o644)
}
