package command

import (
	"flag"
	"fmt"
	"io"
	"strings"
)

// Usage prints c's help: how it is called, what it does, examples, its flags.
func (c *Command) Usage(w io.Writer) {
	args := ""
	if c.Args != "" {
		args = " " + c.Args
	}
	fmt.Fprintf(w, "usage: chatmaild %s [flags]%s\n\n%s.\n", c.Name, args, Sentence(c.Synopsis))
	if c.Description != "" {
		fmt.Fprintf(w, "\n%s\n", c.Description)
	}
	if len(c.Examples) > 0 {
		fmt.Fprint(w, "\nexamples:\n")
		table := NewTable(w)
		for _, e := range c.Examples {
			fmt.Fprintf(table, "  chatmaild %s\t# %s\n", e[0], e[1])
		}
		table.Flush()
	}
	fmt.Fprint(w, "\nflags:\n")
	for _, f := range c.Flags() {
		usage := f.Usage
		if f.Default != "" {
			usage += fmt.Sprintf(" (default %s)", f.Default)
		}
		name := f.Name
		if f.Value != "" {
			name += " " + f.Value
		}
		fmt.Fprintf(w, "  --%-22s %s\n", name, usage)
	}
}

// Sentence returns text with a capital letter, as it begins a sentence.
func Sentence(text string) string { return strings.ToUpper(text[:1]) + text[1:] }

// A Flag is one as help and the manual show it.
type Flag struct {
	Name    string
	Value   string // what it takes; "" for a switch
	Usage   string
	Default string // "" if there is none worth showing
}

// Flags returns the flags that c takes, those of every command among them.
func (c *Command) Flags() []Flag {
	var all []Flag
	fs, _ := c.flags(&Env{Getenv: func(string) string { return "" }})
	fs.VisitAll(func(f *flag.Flag) {
		value, usage := flag.UnquoteUsage(f)
		shown := Flag{Name: f.Name, Value: value, Usage: usage, Default: f.DefValue}
		if shown.Default == "false" || shown.Default == "0" {
			shown.Default = ""
		}
		all = append(all, shown)
	})
	return all
}
